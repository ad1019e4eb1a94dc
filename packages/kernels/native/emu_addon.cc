// emu_addon.cc: the module kernels.emu.node: the functions of a device alone.
#include "qlora/napi.h"

void export_cuda(Napi::Env env, Napi::Object exports);  // cuda_addon.cc

namespace {
Napi::Object init(Napi::Env env, Napi::Object exports) {
  qlora::export_threads(env, exports);
  export_cuda(env, exports);
  return exports;
}
}  // namespace
NODE_API_MODULE(kernels_emu, init)
