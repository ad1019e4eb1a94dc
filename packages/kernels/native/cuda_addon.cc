// cuda_addon.cc: the functions that work on a device, under `cuda`: kernels.node's run on GPUs, kernels.emu.node's on the emulator.
#include "qlora/cuda/addon.h"
#include "qlora/napi.h"

void export_matmul_cuda(Napi::Env env, Napi::Object exports);

void export_cuda(Napi::Env env, Napi::Object exports) {
  qlora::cuda::export_backend(env, exports);
  Napi::Object cuda = Napi::Object::New(env);
  export_matmul_cuda(env, cuda);
  exports["cuda"] = cuda;
}
