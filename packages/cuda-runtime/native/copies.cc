// copies.cc: bytes between host and device and from device to device, and filling.
#include "call.h"

namespace qlora::cuda {
namespace {

// upload(device, to, bytes, from: Uint8Array) and download(device, from, bytes, to: Uint8Array): return when done.
void upload(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Args args(info);
  const Driver& driver = use(env, device(args));
  const Pointer to = pointer(args, "target");
  const size_t bytes = size_t(args.size("bytes"));
  CUDA_CALL(cuMemcpyHtoD, to, args.array<uint8_t>("source", bytes), bytes);
}
void download(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Args args(info);
  const Driver& driver = use(env, device(args));
  const Pointer from = pointer(args, "source");
  const size_t bytes = size_t(args.size("bytes"));
  CUDA_CALL(cuMemcpyDtoH, args.array<uint8_t>("target", bytes), from, bytes);
}

// copy(device, direction, to, from, bytes, async, stream): addresses on both sides, host memory pinned.
enum Direction { host_to_device, device_to_host, device_to_device };
void copy(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Args args(info);
  const Driver& driver = use(env, device(args));
  const auto direction = Direction(args.size("direction"));
  void *to = args.pointer("target"), *from = args.pointer("source");
  const size_t bytes = size_t(args.size("bytes"));
  const bool async = args.flag("async");
  const Stream stream = args.pointer("stream");
  const Pointer device_to = reinterpret_cast<Pointer>(to), device_from = reinterpret_cast<Pointer>(from);
  switch (direction) {
    case host_to_device:
      if (async) CUDA_CALL(cuMemcpyHtoDAsync, device_to, from, bytes, stream);
      else CUDA_CALL(cuMemcpyHtoD, device_to, from, bytes);
      break;
    case device_to_host:
      if (async) CUDA_CALL(cuMemcpyDtoHAsync, to, device_from, bytes, stream);
      else CUDA_CALL(cuMemcpyDtoH, to, device_from, bytes);
      break;
    case device_to_device:
      if (async) CUDA_CALL(cuMemcpyDtoDAsync, device_to, device_from, bytes, stream);
      else CUDA_CALL(cuMemcpyDtoD, device_to, device_from, bytes);
      break;
  }
}

// copyPeer(device to, to, device from, from, bytes, async, stream): between two devices.
void copy_peer(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Args args(info);
  const int target = device(args);
  const Pointer to = pointer(args, "target");
  const int origin = device(args);
  const Pointer from = pointer(args, "source");
  const size_t bytes = size_t(args.size("bytes"));
  const bool async = args.flag("async");
  const Stream stream = args.pointer("stream");
  const Context from_context = context_of(env, origin), to_context = context_of(env, target);
  const Driver& driver = use(env, target);
  if (async) CUDA_CALL(cuMemcpyPeerAsync, to, to_context, from, from_context, bytes, stream);
  else CUDA_CALL(cuMemcpyPeer, to, to_context, from, from_context, bytes);
}

// memset(device, target, value, bytes, async, stream): every byte.
void memset(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Args args(info);
  const Driver& driver = use(env, device(args));
  const Pointer to = pointer(args, "target");
  const auto value = static_cast<unsigned char>(args.size("value"));
  const size_t bytes = size_t(args.size("bytes"));
  const bool async = args.flag("async");
  const Stream stream = args.pointer("stream");
  if (async) CUDA_CALL(cuMemsetD8Async, to, value, bytes, stream);
  else CUDA_CALL(cuMemsetD8, to, value, bytes);
}

}  // namespace

void export_copies(Napi::Env env, Napi::Object exports) {
  exports["upload"] = Napi::Function::New(env, upload);
  exports["download"] = Napi::Function::New(env, download);
  exports["copy"] = Napi::Function::New(env, copy);
  exports["copyPeer"] = Napi::Function::New(env, copy_peer);
  exports["memset"] = Napi::Function::New(env, memset);
}

}  // namespace qlora::cuda
