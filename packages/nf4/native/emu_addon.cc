// emu_addon.cc: the module of nf4.emu.node: the kernels of the emulated device alone.
#include "qlora/napi.h"

void export_cuda(Napi::Env env, Napi::Object exports);  // cuda_addon.cc

namespace {
Napi::Object init(Napi::Env env, Napi::Object exports) {
  qlora::export_threads(env, exports);
  export_cuda(env, exports);
  return exports;
}
}  // namespace
NODE_API_MODULE(nf4_emu, init)
