// libcuda.c: a driver for tests: the entry points that cuda-runtime calls, on host memory, with two devices.
//
// Built by mock.ts with -DVERSION=12010 or 13000 (from 12020 on there are the _v2 forms of prefetch and advise, which take a
// location). Read from the environment at each call:
//   MOCK_FAIL   "cuMemAlloc_v2:2:700": the 2nd call from now on of that function answers 700; ":*:" every call;
//               a status that destroys the context (700) is the answer of every later call too, as it is of a real device
//   MOCK_COUNT  the number of devices (2)      MOCK_MEMORY  bytes of each (1 MiB)      MOCK_VERSION  instead of VERSION
//   MOCK_LOG    a file that gets one line per call: its name, its arguments, "-> status"
//   MOCK_BUSY   how often a query of a stream or an event answers "not ready" first (0)
// It refuses what a real driver would: unknown pointers, ranges outside an allocation, calls without a current context.
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int Status;
typedef uint64_t Pointer;
typedef struct { int type, id; } Location;
enum { INVALID_VALUE = 1, OUT_OF_MEMORY = 2, NOT_INITIALIZED = 3, NO_DEVICE = 100, INVALID_DEVICE = 101, INVALID_CONTEXT = 201,
       NOT_READY = 600, ILLEGAL_ADDRESS = 700 };
#define API __attribute__((visibility("default")))
#define MAX 4096

static struct { char* p; size_t n; int kind, device; } blocks[MAX];  // kind 0 device, 1 host, 2 managed
static struct { int live, busy, recorded; } handles[MAX];            // streams and events
static size_t used[8];
static int initialised, retained[8];
static Status lost;
static _Thread_local int current = -1;

static long number(const char* name, long otherwise) {
  const char* value = getenv(name);
  return value && *value ? strtol(value, 0, 10) : otherwise;
}
static long memory(void) { return number("MOCK_MEMORY", 1 << 20); }

static Status done(Status status, const char* name, const char* format, ...) {
  const char* path = getenv("MOCK_LOG");
  FILE* log = path && *path ? fopen(path, "a") : 0;
  if (!log) return status;
  va_list arguments;
  fprintf(log, "%s", name);
  va_start(arguments, format);
  vfprintf(log, format, arguments);
  va_end(arguments);
  fprintf(log, " -> %d\n", status);
  fclose(log);
  return status;
}

// The status that MOCK_FAIL wants of this call, else 0.
static Status planned(const char* name) {
  static char plan[128];
  static long calls;
  const char* now = getenv("MOCK_FAIL");
  if (!now) now = "";
  if (strcmp(plan, now)) snprintf(plan, sizeof plan, "%s", now), calls = 0;
  const size_t n = strlen(name);
  if (lost) return lost;
  if (strncmp(now, name, n) || now[n] != ':') return 0;
  const char* status = strchr(now + n + 1, ':');
  if (!status || (now[n + 1] != '*' && ++calls != strtol(now + n + 1, 0, 10))) return 0;
  const Status wanted = (Status)strtol(status + 1, 0, 10);
  if (wanted == ILLEGAL_ADDRESS) lost = wanted;
  return wanted;
}

#define BEGIN(name) Status status_ = planned(#name)
#define CONTEXT() if (!status_ && !initialised) status_ = NOT_INITIALIZED; if (!status_ && current < 0) status_ = INVALID_CONTEXT
#define END(name, ...) return done(status_, #name, __VA_ARGS__)

static int find(const void* p, size_t n) {
  for (int i = 0; i < MAX; ++i)
    if (blocks[i].p && (char*)p >= blocks[i].p && (char*)p - blocks[i].p + n <= blocks[i].n) return i;
  return -1;
}
static Status take(void** p, size_t n, int kind) {
  if (!n) return INVALID_VALUE;
  if (n > (size_t)memory() - (kind == 1 ? 0 : used[current])) return OUT_OF_MEMORY;
  int i = 0;
  while (blocks[i].p) ++i;
  blocks[i].p = *p = aligned_alloc(256, (n + 255) / 256 * 256);
  blocks[i].n = n, blocks[i].kind = kind, blocks[i].device = current;
  if (kind != 1) used[current] += n;
  return 0;
}
static Status give(void* p, int host) {
  const int i = find(p, 0);
  if (i < 0 || blocks[i].p != p || (blocks[i].kind == 1) != host) return INVALID_VALUE;
  if (!host) used[blocks[i].device] -= blocks[i].n;
  free(p);
  memset(&blocks[i], 0, sizeof blocks[i]);
  return 0;
}
static Status make(void** handle) {
  int i = 1;
  while (handles[i].live) ++i;
  handles[i].live = 1, handles[i].recorded = 0, handles[i].busy = (int)number("MOCK_BUSY", 0);
  *handle = (void*)(intptr_t)(i * 16);
  return 0;
}
static int slot(void* handle) {  // 0 is the default stream
  const intptr_t i = (intptr_t)handle / 16;
  return !handle ? 0 : i > 0 && i < MAX && handles[i].live ? (int)i : -1;
}
static Status ready(void* handle) {
  const int i = slot(handle);
  return i < 0 ? INVALID_VALUE : handles[i].busy-- > 0 ? NOT_READY : (handles[i].busy = 0, 0);
}
#define HOST(p) ((void*)(uintptr_t)(p))

API Status cuDriverGetVersion(int* version) { return *version = (int)number("MOCK_VERSION", VERSION), 0; }
API Status cuInit(unsigned flags) {
  BEGIN(cuInit);
  if (!status_ && !number("MOCK_COUNT", 2)) status_ = NO_DEVICE;
  initialised = !status_;
  END(cuInit, " %u", flags);
}
API Status cuGetErrorName(Status status, const char** name) {
  static _Thread_local char other[32];
  snprintf(other, sizeof other, "CUDA_ERROR_%d", status);
  *name = status == INVALID_VALUE ? "CUDA_ERROR_INVALID_VALUE" : status == OUT_OF_MEMORY ? "CUDA_ERROR_OUT_OF_MEMORY"
        : status == INVALID_DEVICE ? "CUDA_ERROR_INVALID_DEVICE" : status == ILLEGAL_ADDRESS ? "CUDA_ERROR_ILLEGAL_ADDRESS"
        : status == 803 ? "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH" : status == 46 ? "CUDA_ERROR_DEVICE_UNAVAILABLE" : other;
  return 0;
}
API Status cuGetErrorString(Status status, const char** text) { (void)status; return *text = "the mock says no", 0; }
API Status cuDeviceGetCount(int* count) { BEGIN(cuDeviceGetCount); *count = (int)number("MOCK_COUNT", 2); END(cuDeviceGetCount, ""); }
API Status cuDeviceGet(int* device, int index) {
  BEGIN(cuDeviceGet);
  if (!status_ && (index < 0 || index >= number("MOCK_COUNT", 2))) status_ = INVALID_DEVICE;
  *device = index;
  END(cuDeviceGet, " %d", index);
}
API Status cuDeviceGetName(char* name, int n, int device) { return snprintf(name, (size_t)n, "Mock GPU %d", device), 0; }
API Status cuDeviceTotalMem_v2(size_t* bytes, int device) { (void)device; return *bytes = (size_t)memory(), 0; }
API Status cuDeviceGetAttribute(int* value, int which, int device) {
  BEGIN(cuDeviceGetAttribute);
  *value = which == 75 ? 9 : which == 10 ? 32 : which == 16 ? 132 : which == 83 || which == 89 ? 1 : which == 97 ? 232448 : 0;
  END(cuDeviceGetAttribute, " %d %d", which, device);
}
API Status cuDeviceGetUuid_v2(uint8_t* uuid, int device) { return memset(uuid, 0x10 + device, 16), 0; }
API Status cuDeviceGetPCIBusId(char* bus, int n, int device) { return snprintf(bus, (size_t)n, "0000:%02x:00.0", device + 1), 0; }
API Status cuDevicePrimaryCtxRetain(void** context, int device) {
  BEGIN(cuDevicePrimaryCtxRetain);
  if (!status_) ++retained[device], *context = (void*)(intptr_t)(device + 1);
  END(cuDevicePrimaryCtxRetain, " %d", device);
}
API Status cuDevicePrimaryCtxRelease_v2(int device) {
  BEGIN(cuDevicePrimaryCtxRelease_v2);
  if (!status_ && --retained[device] < 0) status_ = INVALID_CONTEXT;
  END(cuDevicePrimaryCtxRelease_v2, " %d", device);
}
API Status cuCtxSetCurrent(void* context) {
  BEGIN(cuCtxSetCurrent);
  const int device = (int)(intptr_t)context - 1;
  if (!status_ && device >= 0 && !retained[device]) status_ = INVALID_CONTEXT;
  if (!status_) current = device;
  END(cuCtxSetCurrent, " %d", device);
}
API Status cuCtxGetCurrent(void** context) { return *context = (void*)(intptr_t)(current + 1), 0; }
API Status cuCtxSynchronize(void) { BEGIN(cuCtxSynchronize); CONTEXT(); END(cuCtxSynchronize, ""); }
API Status cuMemGetInfo_v2(size_t* free, size_t* total) {
  BEGIN(cuMemGetInfo_v2); CONTEXT();
  if (!status_) *total = (size_t)memory(), *free = *total - used[current];
  END(cuMemGetInfo_v2, "");
}
API Status cuMemAlloc_v2(Pointer* p, size_t n) {
  BEGIN(cuMemAlloc_v2); CONTEXT();
  if (!status_) status_ = take((void**)p, n, 0);
  END(cuMemAlloc_v2, " %zu", n);
}
API Status cuMemFree_v2(Pointer p) { BEGIN(cuMemFree_v2); CONTEXT(); if (!status_) status_ = give(HOST(p), 0); END(cuMemFree_v2, ""); }
API Status cuMemHostAlloc(void** p, size_t n, unsigned flags) {
  BEGIN(cuMemHostAlloc); CONTEXT();
  if (!status_) status_ = take(p, n, 1);
  END(cuMemHostAlloc, " %zu %u", n, flags);
}
API Status cuMemFreeHost(void* p) { BEGIN(cuMemFreeHost); CONTEXT(); if (!status_) status_ = give(p, 1); END(cuMemFreeHost, ""); }
API Status cuMemHostGetDevicePointer_v2(Pointer* d, void* p, unsigned flags) {
  BEGIN(cuMemHostGetDevicePointer_v2);
  if (!status_) *d = (uintptr_t)p;
  END(cuMemHostGetDevicePointer_v2, " %u", flags);
}
API Status cuMemAllocManaged(Pointer* p, size_t n, unsigned flags) {
  BEGIN(cuMemAllocManaged); CONTEXT();
  if (!status_) status_ = take((void**)p, n, 2);
  END(cuMemAllocManaged, " %zu %u", n, flags);
}

static Status range(Pointer p, size_t n) { return find(HOST(p), n) < 0 ? INVALID_VALUE : 0; }
#define COPY(name, parameters, onDevice, to, from, n, stream)                                    \
  API Status name parameters {                                                                   \
    BEGIN(name); CONTEXT();                                                                      \
    if (!status_ && slot(stream) < 0) status_ = INVALID_VALUE;                                   \
    if (!status_) status_ = onDevice;                                                            \
    if (!status_) memmove(to, from, n);                                                          \
    END(name, " %zu", n);                                                                        \
  }
COPY(cuMemcpyHtoD_v2, (Pointer t, const void* f, size_t n), range(t, n), HOST(t), f, n, 0)
COPY(cuMemcpyDtoH_v2, (void* t, Pointer f, size_t n), range(f, n), t, HOST(f), n, 0)
COPY(cuMemcpyDtoD_v2, (Pointer t, Pointer f, size_t n), range(t, n) | range(f, n), HOST(t), HOST(f), n, 0)
COPY(cuMemcpyPeer, (Pointer t, void* a, Pointer f, void* b, size_t n), range(t, n) | range(f, n) | (a == b), HOST(t), HOST(f), n, 0)
COPY(cuMemcpyHtoDAsync_v2, (Pointer t, const void* f, size_t n, void* s), range(t, n) | (find(f, n) < 0), HOST(t), f, n, s)
COPY(cuMemcpyDtoHAsync_v2, (void* t, Pointer f, size_t n, void* s), range(f, n) | (find(t, n) < 0), t, HOST(f), n, s)
COPY(cuMemcpyDtoDAsync_v2, (Pointer t, Pointer f, size_t n, void* s), range(t, n) | range(f, n), HOST(t), HOST(f), n, s)
COPY(cuMemcpyPeerAsync, (Pointer t, void* a, Pointer f, void* b, size_t n, void* s), range(t, n) | range(f, n) | (a == b), HOST(t), HOST(f), n, s)
API Status cuMemsetD8_v2(Pointer p, unsigned char value, size_t n) {
  BEGIN(cuMemsetD8_v2); CONTEXT();
  if (!status_ && !(status_ = range(p, n))) memset(HOST(p), value, n);
  END(cuMemsetD8_v2, " %u %zu", value, n);
}
API Status cuMemsetD8Async(Pointer p, unsigned char value, size_t n, void* stream) {
  BEGIN(cuMemsetD8Async); CONTEXT();
  if (!status_ && !(status_ = slot(stream) < 0 ? INVALID_VALUE : range(p, n))) memset(HOST(p), value, n);
  END(cuMemsetD8Async, " %u %zu", value, n);
}

// The forms before CUDA 12.2 take a device, -1 for the host; the _v2 forms a location and flags.
API Status cuMemPrefetchAsync(Pointer p, size_t n, int device, void* stream) {
  BEGIN(cuMemPrefetchAsync); CONTEXT();
  if (!status_) status_ = range(p, n) | (slot(stream) < 0);
  END(cuMemPrefetchAsync, " %zu device %d", n, device);
}
API Status cuMemAdvise(Pointer p, size_t n, int advice, int device) {
  BEGIN(cuMemAdvise); CONTEXT();
  if (!status_) status_ = range(p, n);
  END(cuMemAdvise, " %zu advice %d device %d", n, advice, device);
}
#if VERSION >= 12020
API Status cuMemPrefetchAsync_v2(Pointer p, size_t n, Location to, unsigned flags, void* stream) {
  BEGIN(cuMemPrefetchAsync_v2); CONTEXT();
  if (!status_) status_ = range(p, n) | (slot(stream) < 0);
  END(cuMemPrefetchAsync_v2, " %zu location %d %d flags %u", n, to.type, to.id, flags);
}
API Status cuMemAdvise_v2(Pointer p, size_t n, int advice, Location to) {
  BEGIN(cuMemAdvise_v2); CONTEXT();
  if (!status_) status_ = range(p, n);
  END(cuMemAdvise_v2, " %zu advice %d location %d %d", n, advice, to.type, to.id);
}
#endif

#define HANDLE(name, action) \
  API Status name(void* handle) { BEGIN(name); CONTEXT(); if (!status_) status_ = action; END(name, " %d", slot(handle)); }
API Status cuStreamCreate(void** stream, unsigned flags) {
  BEGIN(cuStreamCreate); CONTEXT();
  if (!status_) status_ = make(stream);
  END(cuStreamCreate, " %u", flags);
}
API Status cuEventCreate(void** event, unsigned flags) {
  BEGIN(cuEventCreate); CONTEXT();
  if (!status_) status_ = make(event);
  END(cuEventCreate, " %u", flags);
}
// One capture at a time, on the per-thread default stream; a graph is a handle, and so is what it is instantiated to.
static int capturing;
API Status cuStreamBeginCapture_v2(void* stream, int mode) {
  BEGIN(cuStreamBeginCapture_v2); CONTEXT();
  if (!status_) status_ = stream != (void*)2 || capturing || mode != 2 ? INVALID_VALUE : 0;
  if (!status_) capturing = 1;
  END(cuStreamBeginCapture_v2, " %d", mode);
}
API Status cuStreamEndCapture(void* stream, void** graph) {
  BEGIN(cuStreamEndCapture); CONTEXT();
  if (!status_) status_ = stream != (void*)2 || !capturing ? INVALID_VALUE : make(graph);
  capturing = 0;
  END(cuStreamEndCapture, "");
}
API Status cuGraphInstantiateWithFlags(void** exec, void* graph, unsigned long long flags) {
  BEGIN(cuGraphInstantiateWithFlags); CONTEXT();
  if (!status_) status_ = slot(graph) < 1 || flags ? INVALID_VALUE : make(exec);
  END(cuGraphInstantiateWithFlags, "");
}
API Status cuGraphLaunch(void* exec, void* stream) {
  BEGIN(cuGraphLaunch); CONTEXT();
  if (!status_) status_ = slot(exec) < 1 || stream != (void*)2 ? INVALID_VALUE : 0;
  END(cuGraphLaunch, " %d", slot(exec));
}
HANDLE(cuGraphExecDestroy, slot(handle) > 0 ? (handles[slot(handle)].live = 0) : INVALID_VALUE)
HANDLE(cuGraphDestroy, slot(handle) > 0 ? (handles[slot(handle)].live = 0) : INVALID_VALUE)
HANDLE(cuStreamDestroy_v2, slot(handle) > 0 ? (handles[slot(handle)].live = 0) : INVALID_VALUE)
HANDLE(cuEventDestroy_v2, slot(handle) > 0 ? (handles[slot(handle)].live = 0) : INVALID_VALUE)
HANDLE(cuStreamSynchronize, slot(handle) < 0 ? INVALID_VALUE : (handles[slot(handle)].busy = 0))
HANDLE(cuEventSynchronize, slot(handle) < 1 ? INVALID_VALUE : (handles[slot(handle)].busy = 0))
HANDLE(cuStreamQuery, ready(handle))
HANDLE(cuEventQuery, ready(handle))
API Status cuStreamWaitEvent(void* stream, void* event, unsigned flags) {
  BEGIN(cuStreamWaitEvent); CONTEXT();
  if (!status_) status_ = slot(stream) < 0 || slot(event) < 1;
  END(cuStreamWaitEvent, " %d %d %u", slot(stream), slot(event), flags);
}
API Status cuEventRecord(void* event, void* stream) {
  static int clock;
  BEGIN(cuEventRecord); CONTEXT();
  if (!status_) status_ = slot(stream) < 0 || slot(event) < 1;
  if (!status_) handles[slot(event)].recorded = ++clock;
  END(cuEventRecord, " %d %d", slot(event), slot(stream));
}
API Status cuEventElapsedTime(float* ms, void* start, void* end) {  // half a millisecond between two records
  BEGIN(cuEventElapsedTime); CONTEXT();
  if (!status_) status_ = slot(start) < 1 || slot(end) < 1 || !handles[slot(start)].recorded || !handles[slot(end)].recorded;
  if (!status_) *ms = 0.5f * (float)(handles[slot(end)].recorded - handles[slot(start)].recorded);
  END(cuEventElapsedTime, "");
}
