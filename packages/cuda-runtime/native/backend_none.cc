// backend_none.cc: this addon was built where there is no nvcc; no_cuda.cc stands in for its kernels.
#include "qlora/cuda/addon.h"

namespace qlora::cuda {
void export_backend(Napi::Env env, Napi::Object exports) { exports["cudaBackend"] = Napi::String::New(env, "none"); }
}  // namespace qlora::cuda
