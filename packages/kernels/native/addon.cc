// addon.cc: one module of the functions that the *_addon.cc files export.
#include "kernels.h"
#include "matmul.h"
#include "qlora/napi.h"

void export_attention(Napi::Env env, Napi::Object exports);
void export_cross_entropy(Napi::Env env, Napi::Object exports);
void export_cuda(Napi::Env env, Napi::Object exports);
void export_elementwise(Napi::Env env, Napi::Object exports);
void export_embedding(Napi::Env env, Napi::Object exports);
void export_matmul(Napi::Env env, Napi::Object exports);
void export_pages(Napi::Env env, Napi::Object exports);
void export_rms_norm(Napi::Env env, Napi::Object exports);
void export_rope(Napi::Env env, Napi::Object exports);
void export_swiglu(Napi::Env env, Napi::Object exports);

namespace {
Napi::Object init(Napi::Env env, Napi::Object exports) {
  qlora::export_threads(env, exports);
  qlora::export_simd(env, exports, qlora::tables<qlora::Kernels>, qlora::tables<qlora::MatmulKernels>);
  export_attention(env, exports);
  export_cross_entropy(env, exports);
  export_cuda(env, exports);
  export_elementwise(env, exports);
  export_embedding(env, exports);
  export_matmul(env, exports);
  export_pages(env, exports);
  export_rms_norm(env, exports);
  export_rope(env, exports);
  export_swiglu(env, exports);
  return exports;
}
}  // namespace
NODE_API_MODULE(kernels, init)
