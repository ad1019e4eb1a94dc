// addon.h: for addons that launch kernels: a Status as a JS error, and what the kernels of this addon run on.
#pragma once
#include <string>

#include "../napi.h"
#include "backend.h"
#include "status.h"

namespace qlora::cuda {

// Throws unless the status is success: a JS Error { code, status, call }, which asCudaError of @qlora/cuda-runtime makes a
// CudaError. `call` names the function that launched.
inline void check(Napi::Env env, const Status& status, const char* call) {
  if (status.ok()) return;
  Napi::Error error = Napi::Error::New(
      env, std::string(call) + ": " + status.name + " (" + std::to_string(status.code) + "): " + status.text);
  error.Set("code", Napi::Number::New(env, status.code));
  error.Set("status", Napi::String::New(env, status.name));
  error.Set("call", Napi::String::New(env, call));
  throw error;
}

// Adds cudaBackend, the backend's name; and on "emu" setEmulation(schedule, copies, seed) and
// emulationStatistics(). addon.cmake links the one that fits.
void export_backend(Napi::Env env, Napi::Object exports);

}  // namespace qlora::cuda
