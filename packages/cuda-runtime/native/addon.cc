// addon.cc: the CUDA driver for JavaScript; no driver is needed to load it.
#include "call.h"

namespace {
Napi::Object init(Napi::Env env, Napi::Object exports) {
  qlora::export_threads(env, exports);
  qlora::cuda::export_devices(env, exports);
  qlora::cuda::export_memory(env, exports);
  qlora::cuda::export_copies(env, exports);
  qlora::cuda::export_streams(env, exports);
  qlora::cuda::export_graphs(env, exports);
  qlora::cuda::export_map(env, exports);
  return exports;
}
}  // namespace
NODE_API_MODULE(cuda_runtime, init)
