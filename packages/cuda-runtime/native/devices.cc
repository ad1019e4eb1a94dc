// devices.cc: what the driver says about itself and its devices.
#include "call.h"

#include <cstdio>

namespace qlora::cuda {
namespace {

std::string uuid_text(const uint8_t (&bytes)[16]) {
  char text[41];
  char* at = text + std::snprintf(text, sizeof text, "GPU-");
  for (int i = 0; i < 16; ++i)
    at += std::snprintf(at, 4, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", unsigned(bytes[i]));
  return text;
}

// One device. Free memory needs a context, which can fail where the rest does not (exclusive mode, a full device):
// `freeMemory` is then absent and `problem` says why.
Napi::Object describe(Napi::Env env, const Driver& driver, int index) {
  Napi::Object result = Napi::Object::New(env);
  int handle = 0;
  CUDA_CALL(cuDeviceGet, &handle, index);
  char name[256] = {}, bus[32] = {};
  uint8_t uuid[16] = {};
  size_t total = 0, free = 0, unused = 0;
  CUDA_CALL(cuDeviceGetName, name, int(sizeof name) - 1, handle);
  CUDA_CALL(cuDeviceTotalMem, &total, handle);
  CUDA_CALL(cuDeviceGetUuid, uuid, handle);
  CUDA_CALL(cuDeviceGetPCIBusId, bus, int(sizeof bus) - 1, handle);
  auto attribute = [&](const char* key, Attribute which) {
    int value = 0;
    CUDA_CALL(cuDeviceGetAttribute, &value, which, handle);
    result[key] = Napi::Number::New(env, value);
  };
  result["name"] = Napi::String::New(env, name);
  result["totalMemory"] = Napi::Number::New(env, double(total));
  result["uuid"] = Napi::String::New(env, uuid_text(uuid));
  result["pciBus"] = Napi::String::New(env, bus);
  attribute("major", capability_major);
  attribute("minor", capability_minor);
  attribute("multiprocessors", multiprocessors);
  attribute("warpSize", warp_size);
  attribute("sharedMemoryPerBlock", shared_memory_per_block);
  attribute("l2Cache", l2_cache);
  attribute("integrated", integrated);
  attribute("managedMemory", managed_memory);
  attribute("concurrentManagedAccess", concurrent_managed_access);

  Context context = nullptr, before = nullptr;
  driver.cuCtxGetCurrent(&before);
  Status status = driver.cuDevicePrimaryCtxRetain(&context, handle);
  const char* call = "cuDevicePrimaryCtxRetain";
  if (!status) {
    if (!(status = driver.cuCtxSetCurrent(context))) status = driver.cuMemGetInfo(&free, &unused), call = "cuMemGetInfo";
    driver.cuCtxSetCurrent(before);
    driver.cuDevicePrimaryCtxRelease(handle);
  }
  if (status) {
    result["problem"] = Napi::String::New(env, std::string(call) + ": " + status_name(driver, status));
  } else {
    result["freeMemory"] = Napi::Number::New(env, double(free));
  }
  return result;
}

// probe() → { path, version, call, status, text, devices? }
Napi::Value probe_driver(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Probe found = probe();
  Napi::Object result = Napi::Object::New(env);
  result["path"] = Napi::String::New(env, found.path);
  result["version"] = Napi::Number::New(env, found.version);
  result["runtime"] = Napi::Number::New(env, runtime_version());
  result["minimum"] = Napi::Number::New(env, minimum_version);
  result["call"] = Napi::String::New(env, found.call);
  result["status"] = Napi::Number::New(env, found.status);
  result["text"] = Napi::String::New(env, found.text);
  if (!found.driver) return result;
  const Driver& driver = *found.driver;
  int count = 0;
  CUDA_CALL(cuDeviceGetCount, &count);
  Napi::Array devices = Napi::Array::New(env);
  for (int i = 0; i < count; ++i) devices[uint32_t(i)] = describe(env, driver, i);
  result["devices"] = devices;
  return result;
}

Napi::Value emulated_device_info(const Napi::CallbackInfo& info) { return describe(info.Env(), emulated(), 0); }

}  // namespace

void export_devices(Napi::Env env, Napi::Object exports) {
  exports["probe"] = Napi::Function::New(env, probe_driver);
  exports["emulatedDevice"] = Napi::Function::New(env, emulated_device_info);
}

}  // namespace qlora::cuda
