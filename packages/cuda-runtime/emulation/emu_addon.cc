// emu_addon.cc: the module <name>.emu.node of a package whose cuda_addon.cc defines export_cuda: its kernels on the emulated device
// alone.
#include "qlora/napi.h"

void export_cuda(Napi::Env env, Napi::Object exports);

namespace {
Napi::Object init(Napi::Env env, Napi::Object exports) {
  qlora::export_threads(env, exports);
  export_cuda(env, exports);
  return exports;
}
}  // namespace
NODE_API_MODULE(emu, init)
