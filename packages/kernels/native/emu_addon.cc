// emu_addon.cc: the module of kernels.emu.node: the operations on the emulated device alone.
#include "cuda_addon.h"

namespace {
Napi::Object init(Napi::Env env, Napi::Object exports) {
  qlora::export_threads(env, exports);
  export_cuda(env, exports);
  return exports;
}
}  // namespace
NODE_API_MODULE(kernels, init)
