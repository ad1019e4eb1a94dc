// call.cc: contexts and errors (see call.h).
#include "call.h"

#include <mutex>

namespace qlora::cuda {
namespace {
constexpr int max_devices = 64;
std::mutex mutex;
Context contexts[max_devices + 1];  // by device + 1: the emulated device is -1
}  // namespace

std::string status_name(const Driver& driver, Status status) {
  const char* name = nullptr;
  if (driver.cuGetErrorName(status, &name) || !name) return "CUDA_ERROR_" + std::to_string(status);
  return name;
}
std::string status_text(const Driver& driver, Status status) {
  const char* text = nullptr;
  if (driver.cuGetErrorString(status, &text) || !text) return "unknown to this driver";
  return text;
}

void check(Napi::Env env, const Driver& driver, Status status, const char* call) {
  if (status == success) return;
  const std::string name = status_name(driver, status);
  Napi::Error error = Napi::Error::New(
      env, std::string(call) + ": " + name + " (" + std::to_string(status) + "): " + status_text(driver, status));
  error.Set("code", Napi::Number::New(env, status));
  error.Set("status", Napi::String::New(env, name));
  error.Set("call", Napi::String::New(env, call));
  throw error;
}

const Driver& driver_of(Napi::Env env, int device) {
  if (device == emulated_device) return emulated();
  if (const Driver* driver = probe().driver) return *driver;
  Napi::Error error = Napi::Error::New(env, "no CUDA driver");
  error.Set("unavailable", Napi::Boolean::New(env, true));
  throw error;
}

Context context_of(Napi::Env env, int device) {
  const Driver& driver = driver_of(env, device);
  if (device < emulated_device || device >= max_devices) check(env, driver, invalid_device, "cuDeviceGet");
  std::lock_guard lock(mutex);
  Context& context = contexts[device + 1];
  if (!context) {
    int handle = 0;
    CUDA_CALL(cuDeviceGet, &handle, device == emulated_device ? 0 : device);
    CUDA_CALL(cuDevicePrimaryCtxRetain, &context, handle);
  }
  return context;
}

Context existing_context(int device) {
  std::lock_guard lock(mutex);
  return contexts[device + 1];
}

const Driver& use(Napi::Env env, int device) {
  const Driver& driver = driver_of(env, device);
  CUDA_CALL(cuCtxSetCurrent, context_of(env, device));
  return driver;
}

int device(Args& args) {
  const double value = args.number("device");
  return value >= emulated_device && value < 1 << 20 ? int(value) : 1 << 20;
}

Napi::BigInt bigint(Napi::Env env, const void* value) {
  return Napi::BigInt::New(env, uint64_t(reinterpret_cast<uintptr_t>(value)));
}

}  // namespace qlora::cuda
