// addon.cc: what this machine can offer; no driver is needed to load it.
#include "qlora/napi.h"

namespace {
Napi::Object init(Napi::Env env, Napi::Object exports) {
  qlora::export_threads(env, exports);
  return exports;
}
}  // namespace
NODE_API_MODULE(cuda_runtime, init)
