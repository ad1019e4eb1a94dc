// cuda_addon.h: how the *_cuda_addon.cc files read device arrays, and what they export.
#pragma once
#include "cuda.h"
#include "qlora/cuda/addon.h"
#include "qlora/cuda/args.h"

namespace qlora::cuda {

// The next argument: a device array of f32 or bf16.
inline Floats floats(const Napi::CallbackInfo& info, DeviceArgs& args, const char* name, uint64_t needed) {
  if (args.next_is<bf16>()) return {args.array<bf16>(name, needed).data, true};
  if (args.next_is<float>()) return {args.array<float>(name, needed).data, false};
  throw Napi::TypeError::New(info.Env(), std::string(name) + " must be a device array of f32 or bf16");
}
// The next argument: a device array of the same type as another.
inline Floats alike(DeviceArgs& args, Floats other, const char* name, uint64_t needed) {
  if (other.narrow) return {args.array<bf16>(name, needed).data, true};
  return {args.array<float>(name, needed).data, false};
}

// exports[name] = function, of those with this C++ name the one for JavaScript.
inline void add_function(Napi::Object exports, const char* name, void (*function)(const Napi::CallbackInfo&)) {
  exports[name] = Napi::Function::New(exports.Env(), function);
}

}  // namespace qlora::cuda

// Adds `cuda`, the operations on a device, and cudaBackend.
void export_cuda(Napi::Env env, Napi::Object exports);
void export_attention_cuda(Napi::Object cuda);
void export_matmul_cuda(Napi::Env env, Napi::Object cuda);
