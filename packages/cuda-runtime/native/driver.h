// driver.h: the entry points of the CUDA driver API that this package calls, with its own declarations: nothing of CUDA is
// needed to build this addon or to load it. Numbers and layouts are the driver's ABI (CUDA Driver API, "Data types").
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

namespace qlora::cuda {

using Status = int;       // CUresult
using Pointer = uint64_t; // CUdeviceptr
using Context = void*;
using Stream = void*;
using Event = void*;
using Graph = void*;
using GraphExec = void*;

struct Location {  // CUmemLocation
  int type;
  int id;
};
inline constexpr int location_device = 1, location_host = 2;
// CU_STREAM_PER_THREAD: the default stream that kernels are launched on (cuda/kernel_cuda.h); unlike stream 0 it can be captured.
inline const Stream stream_per_thread = reinterpret_cast<Stream>(uintptr_t{2});
inline constexpr int capture_relaxed = 2;  // CU_STREAM_CAPTURE_MODE_RELAXED
inline constexpr int cpu = -1;  // CU_DEVICE_CPU, of the signatures before CUDA 12.2

inline constexpr Status success = 0, invalid_value = 1, out_of_memory = 2, no_device = 100, invalid_device = 101,
                        illegal_state = 401, not_ready = 600, not_supported = 801;

enum Attribute {
  warp_size = 10, multiprocessors = 16, integrated = 18, l2_cache = 38, capability_major = 75, capability_minor = 76,
  managed_memory = 83, concurrent_managed_access = 89, shared_memory_per_block = 97,
};
enum Advice { set_read_mostly = 1, set_preferred_location = 3, set_accessed_by = 5 };  // +1 takes it back
inline constexpr unsigned host_portable = 1, host_mapped = 2, attach_global = 1, stream_non_blocking = 1,
                          event_disable_timing = 2;

// X(name, symbol, arguments): `symbol` names the version whose signature this is. Those marked O may be absent.
#define QLORA_CUDA_DRIVER(X, O)                                                                            \
  X(cuInit, "cuInit", (unsigned))                                                                          \
  X(cuGetErrorName, "cuGetErrorName", (Status, const char**))                                              \
  X(cuGetErrorString, "cuGetErrorString", (Status, const char**))                                          \
  X(cuDeviceGetCount, "cuDeviceGetCount", (int*))                                                          \
  X(cuDeviceGet, "cuDeviceGet", (int*, int))                                                               \
  X(cuDeviceGetName, "cuDeviceGetName", (char*, int, int))                                                 \
  X(cuDeviceTotalMem, "cuDeviceTotalMem_v2", (size_t*, int))                                               \
  X(cuDeviceGetAttribute, "cuDeviceGetAttribute", (int*, int, int))                                        \
  X(cuDeviceGetUuid, "cuDeviceGetUuid_v2", (uint8_t*, int))                                                \
  X(cuDeviceGetPCIBusId, "cuDeviceGetPCIBusId", (char*, int, int))                                         \
  X(cuDevicePrimaryCtxRetain, "cuDevicePrimaryCtxRetain", (Context*, int))                                 \
  X(cuDevicePrimaryCtxRelease, "cuDevicePrimaryCtxRelease_v2", (int))                                      \
  X(cuCtxSetCurrent, "cuCtxSetCurrent", (Context))                                                         \
  X(cuCtxGetCurrent, "cuCtxGetCurrent", (Context*))                                                        \
  X(cuCtxSynchronize, "cuCtxSynchronize", ())                                                              \
  X(cuMemGetInfo, "cuMemGetInfo_v2", (size_t*, size_t*))                                                   \
  X(cuMemAlloc, "cuMemAlloc_v2", (Pointer*, size_t))                                                       \
  X(cuMemFree, "cuMemFree_v2", (Pointer))                                                                  \
  X(cuMemHostAlloc, "cuMemHostAlloc", (void**, size_t, unsigned))                                          \
  X(cuMemFreeHost, "cuMemFreeHost", (void*))                                                               \
  X(cuMemHostGetDevicePointer, "cuMemHostGetDevicePointer_v2", (Pointer*, void*, unsigned))                \
  X(cuMemAllocManaged, "cuMemAllocManaged", (Pointer*, size_t, unsigned))                                  \
  X(cuMemcpyHtoD, "cuMemcpyHtoD_v2", (Pointer, const void*, size_t))                                       \
  X(cuMemcpyDtoH, "cuMemcpyDtoH_v2", (void*, Pointer, size_t))                                             \
  X(cuMemcpyDtoD, "cuMemcpyDtoD_v2", (Pointer, Pointer, size_t))                                           \
  X(cuMemcpyPeer, "cuMemcpyPeer", (Pointer, Context, Pointer, Context, size_t))                            \
  X(cuMemcpyHtoDAsync, "cuMemcpyHtoDAsync_v2", (Pointer, const void*, size_t, Stream))                     \
  X(cuMemcpyDtoHAsync, "cuMemcpyDtoHAsync_v2", (void*, Pointer, size_t, Stream))                           \
  X(cuMemcpyDtoDAsync, "cuMemcpyDtoDAsync_v2", (Pointer, Pointer, size_t, Stream))                         \
  X(cuMemcpyPeerAsync, "cuMemcpyPeerAsync", (Pointer, Context, Pointer, Context, size_t, Stream))          \
  X(cuMemsetD8, "cuMemsetD8_v2", (Pointer, unsigned char, size_t))                                         \
  X(cuMemsetD8Async, "cuMemsetD8Async", (Pointer, unsigned char, size_t, Stream))                          \
  X(cuStreamCreate, "cuStreamCreate", (Stream*, unsigned))                                                 \
  X(cuStreamDestroy, "cuStreamDestroy_v2", (Stream))                                                       \
  X(cuStreamSynchronize, "cuStreamSynchronize", (Stream))                                                  \
  X(cuStreamQuery, "cuStreamQuery", (Stream))                                                              \
  X(cuStreamWaitEvent, "cuStreamWaitEvent", (Stream, Event, unsigned))                                     \
  X(cuEventCreate, "cuEventCreate", (Event*, unsigned))                                                    \
  X(cuEventDestroy, "cuEventDestroy_v2", (Event))                                                          \
  X(cuEventRecord, "cuEventRecord", (Event, Stream))                                                       \
  X(cuEventSynchronize, "cuEventSynchronize", (Event))                                                     \
  X(cuEventQuery, "cuEventQuery", (Event))                                                                 \
  X(cuEventElapsedTime, "cuEventElapsedTime", (float*, Event, Event))                                      \
  X(cuStreamBeginCapture, "cuStreamBeginCapture_v2", (Stream, int))                                        \
  X(cuStreamEndCapture, "cuStreamEndCapture", (Stream, Graph*))                                            \
  X(cuGraphInstantiateWithFlags, "cuGraphInstantiateWithFlags", (GraphExec*, Graph, unsigned long long))   \
  X(cuGraphLaunch, "cuGraphLaunch", (GraphExec, Stream))                                                   \
  X(cuGraphExecDestroy, "cuGraphExecDestroy", (GraphExec))                                                 \
  X(cuGraphDestroy, "cuGraphDestroy", (Graph))                                                             \
  O(cuMemPrefetchAsync, "cuMemPrefetchAsync", (Pointer, size_t, int, Stream))                              \
  O(cuMemPrefetchAsync_v2, "cuMemPrefetchAsync_v2", (Pointer, size_t, Location, unsigned, Stream))         \
  O(cuMemAdvise, "cuMemAdvise", (Pointer, size_t, int, int))                                               \
  O(cuMemAdvise_v2, "cuMemAdvise_v2", (Pointer, size_t, int, Location))

struct Driver {
#define QLORA_FIELD(name, symbol, arguments) Status(*name) arguments = nullptr;
  QLORA_CUDA_DRIVER(QLORA_FIELD, QLORA_FIELD)
#undef QLORA_FIELD
  int version = 0;  // the newest CUDA it serves: 1000·major + 10·minor
};

// The result of looking for the driver: usable, or the first thing that went wrong.
struct Probe {
  const Driver* driver = nullptr;  // null: not usable
  std::string path;                // the library, once opened
  int version = 0;                 // once asked
  const char* call = "";           // "dlopen", "dlsym", or the driver call that failed
  Status status = success;         // of that call
  std::string text;                // what dlopen or the driver says about it
};
inline constexpr int minimum_version = 12000;

// Opens the driver (QLORA_LIBCUDA names another library) and initialises it, once per process. A failure is not
// remembered: the next call tries again.
Probe probe();

// The version of a CUDA runtime library found on this machine, 0 when there is none.
int runtime_version();

// The same entry points on host memory: the device "cuda-emu".
const Driver& emulated();
inline constexpr int emulated_device = -1;

}  // namespace qlora::cuda
