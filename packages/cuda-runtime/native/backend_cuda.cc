// backend_cuda.cc: this addon's kernels are compiled by nvcc.
#include "qlora/cuda/addon.h"

namespace qlora::cuda {
const char* const backend = "cuda";
void export_backend(Napi::Env env, Napi::Object exports) { exports["cudaBackend"] = Napi::String::New(env, backend); }
}  // namespace qlora::cuda
