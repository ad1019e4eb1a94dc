// emu_addon.cc: the module of paged-optim.emu.node: the kernels on the emulated device alone.
#include "qlora/napi.h"

void export_cuda(Napi::Env env, Napi::Object exports);

namespace {
Napi::Object init(Napi::Env env, Napi::Object exports) {
  qlora::export_threads(env, exports);
  export_cuda(env, exports);
  return exports;
}
}  // namespace
NODE_API_MODULE(paged_optim, init)
