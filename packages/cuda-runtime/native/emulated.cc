// emulated.cc: the driver's entry points on host memory, behind the device "cuda-emu". Every call completes before it
// returns.
#include <algorithm>
#include <chrono>
#include <cstring>
#include <mutex>
#include <set>

#include "emulated_memory.h"

namespace qlora::cuda {
namespace {

using emulated_memory::allocate;
using emulated_memory::range;
using emulated_memory::release;

std::mutex mutex;
std::set<void*> handles;  // live streams and events

void* host(Pointer p) { return reinterpret_cast<void*>(uintptr_t(p)); }

Status upload(Pointer to, const void* from, size_t n) {
  const Status status = range(host(to), n);
  return status ? status : (std::memmove(host(to), from, n), success);
}
Status download(void* to, Pointer from, size_t n) {
  const Status status = range(host(from), n);
  return status ? status : (std::memmove(to, host(from), n), success);
}
Status move(Pointer to, Pointer from, size_t n) {
  const Status status = range(host(from), n);
  return status ? status : upload(to, host(from), n);
}
Status fill(Pointer to, unsigned char value, size_t n) {
  const Status status = range(host(to), n);
  return status ? status : (std::memset(host(to), value, n), success);
}

struct Clock {  // an event; a stream is one that is never recorded
  std::chrono::steady_clock::time_point at{};
  bool recorded = false;
};
Status create(void** result) {
  std::lock_guard lock(mutex);
  handles.insert(*result = new Clock);
  return success;
}
Status known(void* handle) {
  std::lock_guard lock(mutex);
  return !handle || handles.contains(handle) ? success : invalid_value;  // null is the default stream
}
Status destroy(void* handle) {
  std::lock_guard lock(mutex);
  if (!handles.erase(handle)) return invalid_value;
  delete static_cast<Clock*>(handle);
  return success;
}
Status record(Event event, Stream stream) {
  if (!event || known(event) || known(stream)) return invalid_value;
  *static_cast<Clock*>(event) = {std::chrono::steady_clock::now(), true};
  return success;
}
Status elapsed(float* milliseconds, Event start, Event end) {
  if (!start || !end || known(start) || known(end)) return invalid_value;
  auto *a = static_cast<Clock*>(start), *b = static_cast<Clock*>(end);
  if (!a->recorded || !b->recorded) return invalid_value;
  *milliseconds = std::chrono::duration<float, std::milli>(b->at - a->at).count();
  return success;
}

int attribute(int which) {
  switch (which) {
    case capability_major: return 8;
    case warp_size: return 32;
    case multiprocessors: return 1;
    case shared_memory_per_block: return int(std::min<size_t>(emulated_memory::from_environment("QLORA_EMU_SHARED", 99 * 1024), 227 * 1024));
    case managed_memory: case concurrent_managed_access: case integrated: return 1;
    default: return 0;
  }
}
const char* name_of(Status status) {
  switch (status) {
    case success: return "CUDA_SUCCESS";
    case invalid_value: return "CUDA_ERROR_INVALID_VALUE";
    case out_of_memory: return "CUDA_ERROR_OUT_OF_MEMORY";
    case invalid_device: return "CUDA_ERROR_INVALID_DEVICE";
    case illegal_state: return "CUDA_ERROR_ILLEGAL_STATE";
    default: return "CUDA_ERROR_UNKNOWN";
  }
}
const char* text_of(Status status) {
  switch (status) {
    case success: return "no error";
    case invalid_value: return "invalid argument: not a live handle, or a range outside its allocation";
    case out_of_memory: return "out of memory (QLORA_EMU_MEMORY sets the size of cuda-emu)";
    case invalid_device: return "invalid device ordinal";
    case illegal_state: return "a kernel or a copy has written outside this allocation";
    default: return "unknown error";
  }
}

Driver table() {
  Driver d;
  d.version = 13000;
  d.cuInit = [](unsigned) { return success; };
  d.cuGetErrorName = [](Status status, const char** text) { return *text = name_of(status), success; };
  d.cuGetErrorString = [](Status status, const char** text) { return *text = text_of(status), success; };
  d.cuDeviceGetCount = [](int* count) { return *count = 1, success; };
  d.cuDeviceGet = [](int* device, int) { return *device = 0, success; };
  d.cuDeviceGetName = [](char* name, int length, int) { return std::strncpy(name, "cuda-emu", size_t(length)), success; };
  d.cuDeviceTotalMem = [](size_t* bytes, int) { return *bytes = emulated_memory::total(), success; };
  d.cuDeviceGetAttribute = [](int* value, int which, int) { return *value = attribute(which), success; };
  d.cuDeviceGetUuid = [](uint8_t* uuid, int) { return std::memset(uuid, 0, 16), success; };
  d.cuDeviceGetPCIBusId = [](char* bus, int length, int) { return std::strncpy(bus, "emulated", size_t(length)), success; };
  d.cuDevicePrimaryCtxRetain = [](Context* context, int) { return *context = &handles, success; };
  d.cuDevicePrimaryCtxRelease = [](int) { return success; };
  d.cuCtxSetCurrent = [](Context) { return success; };
  d.cuCtxGetCurrent = [](Context* context) { return *context = nullptr, success; };
  d.cuCtxSynchronize = [] { return success; };
  d.cuMemGetInfo = [](size_t* free, size_t* total) {
    return *free = emulated_memory::free(), *total = emulated_memory::total(), success;
  };
  d.cuMemAlloc = [](Pointer* p, size_t n) { uintptr_t a; Status s = allocate(&a, n, true); return *p = a, s; };
  d.cuMemAllocManaged = [](Pointer* p, size_t n, unsigned) { uintptr_t a; Status s = allocate(&a, n, true); return *p = a, s; };
  d.cuMemHostAlloc = [](void** p, size_t n, unsigned) { uintptr_t a; Status s = allocate(&a, n, false); return *p = host(a), s; };
  d.cuMemFree = [](Pointer p) { return release(uintptr_t(p)); };
  d.cuMemFreeHost = [](void* p) { return release(reinterpret_cast<uintptr_t>(p)); };
  d.cuMemHostGetDevicePointer = [](Pointer* p, void* q, unsigned) { return *p = reinterpret_cast<uintptr_t>(q), success; };
  d.cuMemcpyHtoD = upload;
  d.cuMemcpyDtoH = download;
  d.cuMemcpyDtoD = move;
  d.cuMemcpyPeer = [](Pointer to, Context, Pointer from, Context, size_t n) { return move(to, from, n); };
  d.cuMemcpyHtoDAsync = [](Pointer to, const void* from, size_t n, Stream s) { return known(s) ? invalid_value : upload(to, from, n); };
  d.cuMemcpyDtoHAsync = [](void* to, Pointer from, size_t n, Stream s) { return known(s) ? invalid_value : download(to, from, n); };
  d.cuMemcpyDtoDAsync = [](Pointer to, Pointer from, size_t n, Stream s) { return known(s) ? invalid_value : move(to, from, n); };
  d.cuMemcpyPeerAsync = [](Pointer to, Context, Pointer from, Context, size_t n, Stream s) { return known(s) ? invalid_value : move(to, from, n); };
  d.cuMemsetD8 = fill;
  d.cuMemsetD8Async = [](Pointer to, unsigned char value, size_t n, Stream s) { return known(s) ? invalid_value : fill(to, value, n); };
  d.cuStreamCreate = [](Stream* stream, unsigned) { return create(stream); };
  d.cuStreamDestroy = destroy;
  d.cuStreamSynchronize = d.cuStreamQuery = known;
  d.cuStreamWaitEvent = [](Stream stream, Event event, unsigned) { return event && !known(event) ? known(stream) : invalid_value; };
  d.cuEventCreate = [](Event* event, unsigned) { return create(event); };
  d.cuEventDestroy = destroy;
  d.cuEventRecord = record;
  d.cuEventSynchronize = d.cuEventQuery = [](Event event) { return event ? known(event) : invalid_value; };
  d.cuEventElapsedTime = elapsed;
  d.cuMemPrefetchAsync_v2 = [](Pointer p, size_t n, Location, unsigned, Stream s) { const Status status = range(host(p), n); return status ? status : known(s); };
  d.cuMemAdvise_v2 = [](Pointer p, size_t n, int, Location) { return range(host(p), n); };
  return d;
}

}  // namespace

const Driver& emulated() {
  static const Driver driver = table();
  return driver;
}

}  // namespace qlora::cuda
