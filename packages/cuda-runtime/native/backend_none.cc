// backend_none.cc: this addon was built where there is no nvcc; no_cuda.cc stands in for its kernels.
#include "qlora/cuda/addon.h"

namespace qlora::cuda {
const char* const backend = "none";
void export_backend(Napi::Env env, Napi::Object exports) { exports["cudaBackend"] = Napi::String::New(env, backend); }
}  // namespace qlora::cuda
