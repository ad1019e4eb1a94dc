// addon.cc: the addon's parts; each exports its own functions.
#include "codec.h"
#include "products.h"
#include "qlora/napi.h"

void export_codec(Napi::Env env, Napi::Object exports);     // codec_addon.cc
void export_cuda(Napi::Env env, Napi::Object exports);      // cuda_addon.cc
void export_products(Napi::Env env, Napi::Object exports);  // products_addon.cc

namespace {
// One choice of instruction set for codec and products.
void set_simd(const Napi::CallbackInfo& info) {
  const std::string name = qlora::Args(info).string("simd");
  if (!qlora::tables<qlora::nf4::Codec>.choose(name.c_str()))
    throw Napi::RangeError::New(info.Env(), "simd: " + name + " is not available here");
  qlora::tables<qlora::ProductKernels>.choose(name.c_str());
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  qlora::export_threads(env, exports);
  qlora::export_simd(env, exports, qlora::tables<qlora::nf4::Codec>);
  exports["setSimd"] = Napi::Function::New(env, set_simd);
  export_codec(env, exports);
  export_cuda(env, exports);
  export_products(env, exports);
  return exports;
}
}  // namespace
NODE_API_MODULE(nf4, init)
