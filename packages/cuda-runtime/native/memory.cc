// memory.cc: allocation on the device, pinned on the host, and managed; what is in use and the most that ever was.
#include <atomic>

#include "call.h"

namespace qlora::cuda {
namespace {

enum Kind { on_device, pinned, managed, kinds };

// Bytes held by this process through this addon, whichever thread holds them.
struct Use {
  std::atomic<uint64_t> bytes[kinds]{};
  std::atomic<uint64_t> peak{0};  // of device + managed
};
Use uses[65];  // by device + 1; only devices that gave a context get here

void add(int device, Kind kind, uint64_t bytes) {
  Use& use = uses[device + 1];
  use.bytes[kind] += bytes;
  const uint64_t now = use.bytes[on_device] + use.bytes[managed];
  uint64_t peak = use.peak.load();
  while (now > peak && !use.peak.compare_exchange_weak(peak, now)) {
  }
}

Kind kind_of(Args& args) { return Kind(args.size("kind") % kinds); }

// allocate(device, kind, bytes) → { pointer, host? }
Napi::Value allocate(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Args args(info);
  const int index = device(args);
  const Kind kind = kind_of(args);
  const size_t bytes = size_t(args.size("bytes"));
  const Driver& driver = use(env, index);
  Napi::Object result = Napi::Object::New(env);
  Pointer p = 0;
  void* host = nullptr;
  if (kind == pinned) {
    CUDA_CALL(cuMemHostAlloc, &host, bytes, host_portable | host_mapped);
    if (Status status = driver.cuMemHostGetDevicePointer(&p, host, 0)) {
      driver.cuMemFreeHost(host);
      check(env, driver, status, "cuMemHostGetDevicePointer");
    }
    result["host"] = bigint(env, host);
  } else if (kind == managed) {
    CUDA_CALL(cuMemAllocManaged, &p, bytes, attach_global);
    result["host"] = bigint(env, p);
  } else {
    CUDA_CALL(cuMemAlloc, &p, bytes);
  }
  result["pointer"] = bigint(env, p);
  add(index, kind, bytes);
  env.GetInstanceData<Held>()->items[kind == pinned ? host : reinterpret_cast<void*>(p)] = {index, kind, bytes};
  return result;
}

// release(device, kind, address, bytes): `address` is the host's for pinned memory. Counted as gone even when the driver objects.
void release(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Args args(info);
  const int index = device(args);
  const Kind kind = kind_of(args);
  void* address = args.pointer("address");
  const uint64_t bytes = uint64_t(args.size("bytes"));
  context_of(env, index);
  uses[index + 1].bytes[kind] -= bytes;
  env.GetInstanceData<Held>()->items.erase(address);
  const Driver& driver = use(env, index);
  if (kind == pinned) {
    CUDA_CALL(cuMemFreeHost, address);
  } else {
    CUDA_CALL(cuMemFree, reinterpret_cast<Pointer>(address));
  }
}

// freeAtEnd(): this thread's memory goes when the thread does.
void free_at_end(const Napi::CallbackInfo& info) { info.Env().GetInstanceData<Held>()->free_at_end = true; }

// hostBuffer(address, bytes): the memory as an ArrayBuffer that does not own it; detach() it before the memory goes.
Napi::Value host_buffer(const Napi::CallbackInfo& info) {
  Args args(info);
  void* address = args.pointer("address");
  return Napi::ArrayBuffer::New(info.Env(), address, size_t(args.size("bytes")));
}
void detach(const Napi::CallbackInfo& info) {
  if (info[0].IsArrayBuffer()) info[0].As<Napi::ArrayBuffer>().Detach();
}

Napi::Value mem_info(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Args args(info);
  const Driver& driver = use(env, device(args));
  size_t free = 0, total = 0;
  CUDA_CALL(cuMemGetInfo, &free, &total);
  Napi::Object result = Napi::Object::New(env);
  result["free"] = Napi::Number::New(env, double(free));
  result["total"] = Napi::Number::New(env, double(total));
  return result;
}

// memoryStats(device) → { allocated, peak, managed, pinned }
Napi::Value memory_stats(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Args args(info);
  const int index = device(args);
  context_of(env, index);
  const Use& use = uses[index + 1];
  Napi::Object result = Napi::Object::New(env);
  result["allocated"] = Napi::Number::New(env, double(use.bytes[on_device] + use.bytes[managed]));
  result["peak"] = Napi::Number::New(env, double(use.peak));
  result["managed"] = Napi::Number::New(env, double(use.bytes[managed]));
  result["pinned"] = Napi::Number::New(env, double(use.bytes[pinned]));
  return result;
}
void reset_peak(const Napi::CallbackInfo& info) {
  Args args(info);
  const int index = device(args);
  context_of(info.Env(), index);
  Use& use = uses[index + 1];
  use.peak = use.bytes[on_device] + use.bytes[managed];
}

// `to` in prefetch and advise: a device index, or cpu (-1). CUDA 12.2 brought the signatures with a location.
Location location(int to) { return to == cpu ? Location{location_host, 0} : Location{location_device, to}; }

// prefetch(device, pointer, bytes, to, stream)
void prefetch(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Args args(info);
  const Driver& driver = use(env, device(args));
  const Pointer p = pointer(args, "pointer");
  const size_t bytes = size_t(args.size("bytes"));
  const int to = int(args.number("to"));
  const Stream stream = args.pointer("stream");
  if (driver.cuMemPrefetchAsync_v2) {
    CUDA_CALL(cuMemPrefetchAsync_v2, p, bytes, location(to), 0, stream);
  } else if (driver.cuMemPrefetchAsync) {
    CUDA_CALL(cuMemPrefetchAsync, p, bytes, to, stream);
  } else {
    check(env, driver, not_supported, "cuMemPrefetchAsync");
  }
}

// advise(device, pointer, bytes, advice, to)
void advise(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Args args(info);
  const Driver& driver = use(env, device(args));
  const Pointer p = pointer(args, "pointer");
  const size_t bytes = size_t(args.size("bytes"));
  const int advice = int(args.number("advice")), to = int(args.number("to"));
  if (driver.cuMemAdvise_v2) {
    CUDA_CALL(cuMemAdvise_v2, p, bytes, advice, location(to));
  } else if (driver.cuMemAdvise) {
    CUDA_CALL(cuMemAdvise, p, bytes, advice, to);
  } else {
    check(env, driver, not_supported, "cuMemAdvise");
  }
}

}  // namespace

Held::~Held() {
  for (const auto& [address, item] : free_at_end ? items : std::map<void*, Item>{}) {
    uses[item.device + 1].bytes[item.kind] -= item.bytes;
    const Driver& driver = item.device == emulated_device ? emulated() : *probe().driver;
    driver.cuCtxSetCurrent(existing_context(item.device));
    driver.cuCtxSynchronize();
    if (item.kind == pinned) driver.cuMemFreeHost(address);
    else driver.cuMemFree(reinterpret_cast<Pointer>(address));
  }
}

void export_memory(Napi::Env env, Napi::Object exports) {
  env.SetInstanceData(new Held);
  exports["freeAtEnd"] = Napi::Function::New(env, free_at_end);
  exports["allocate"] = Napi::Function::New(env, allocate);
  exports["release"] = Napi::Function::New(env, release);
  exports["hostBuffer"] = Napi::Function::New(env, host_buffer);
  exports["detach"] = Napi::Function::New(env, detach);
  exports["memInfo"] = Napi::Function::New(env, mem_info);
  exports["memoryStats"] = Napi::Function::New(env, memory_stats);
  exports["resetPeak"] = Napi::Function::New(env, reset_peak);
  exports["prefetch"] = Napi::Function::New(env, prefetch);
  exports["advise"] = Napi::Function::New(env, advise);
}

}  // namespace qlora::cuda
