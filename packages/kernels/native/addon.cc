// addon.cc: arguments in, typed arrays out, nothing else.
#include "qlora/napi.h"

namespace {
Napi::Object init(Napi::Env env, Napi::Object exports) {
  qlora::export_threads(env, exports);
  return exports;
}
}  // namespace
NODE_API_MODULE(kernels, init)
