// call.h: a driver call from JavaScript: the device's context made current, the status turned into a JS error.
#pragma once
#include <map>

#include "driver.h"
#include "qlora/napi.h"

namespace qlora::cuda {

// "CUDA_ERROR_…: description" of a status.
std::string status_name(const Driver& driver, Status status);
std::string status_text(const Driver& driver, Status status);

// Throws a JS Error { code, status, call } unless the status is success.
void check(Napi::Env env, const Driver& driver, Status status, const char* call);

// The driver behind a device (an index, or emulated_device), without a context. Throws where there is none.
const Driver& driver_of(Napi::Env env, int device);

// The same with the device's primary context current in this thread. The context is retained on first use and kept
// until the process ends, as the CUDA runtime does, so that pointers are shared with every addon of the process.
const Driver& use(Napi::Env env, int device);
Context context_of(Napi::Env env, int device);
Context existing_context(int device);  // null when it was never used

// The next argument: a device index, a pointer or handle as bigint.
int device(Args& args);
inline Pointer pointer(Args& args, const char* name) { return reinterpret_cast<Pointer>(args.pointer(name)); }

Napi::BigInt bigint(Napi::Env env, const void* value);
inline Napi::BigInt bigint(Napi::Env env, Pointer value) { return Napi::BigInt::New(env, uint64_t(value)); }

// The memory that one JavaScript thread holds. A thread that is terminated runs no code to free it, so it is freed when the
// thread's environment goes, unless that is the main thread's: the process ends then.
struct Held {
  struct Item {
    int device, kind;
    uint64_t bytes;
  };
  std::map<void*, Item> items;
  bool free_at_end = false;
  ~Held();
};

// What each file adds to the addon's exports.
void export_devices(Napi::Env env, Napi::Object exports);
void export_memory(Napi::Env env, Napi::Object exports);
void export_copies(Napi::Env env, Napi::Object exports);
void export_streams(Napi::Env env, Napi::Object exports);
void export_graphs(Napi::Env env, Napi::Object exports);
void export_map(Napi::Env env, Napi::Object exports);

}  // namespace qlora::cuda

// `env` and `driver` are the caller's locals.
#define CUDA_CALL(function, ...) ::qlora::cuda::check(env, driver, driver.function(__VA_ARGS__), #function)
