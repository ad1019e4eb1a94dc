// streams.cc: streams, events, and waiting for the device.
#include "call.h"

namespace qlora::cuda {
namespace {

// streamCreate(device, nonBlocking) and eventCreate(device, timing) → handle
Napi::Value stream_create(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Args args(info);
  const Driver& driver = use(env, device(args));
  Stream stream = nullptr;
  CUDA_CALL(cuStreamCreate, &stream, args.flag("nonBlocking") ? stream_non_blocking : 0);
  return bigint(env, stream);
}
Napi::Value event_create(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Args args(info);
  const Driver& driver = use(env, device(args));
  Event event = nullptr;
  CUDA_CALL(cuEventCreate, &event, args.flag("timing") ? 0 : event_disable_timing);
  return bigint(env, event);
}

// f(device, handle)
template <Status (*Driver::*function)(void*)>
void apply(const Napi::CallbackInfo& info, const char* call) {
  Args args(info);
  const Driver& driver = use(info.Env(), device(args));
  check(info.Env(), driver, (driver.*function)(args.pointer("handle")), call);
}
template <Status (*Driver::*function)(void*)>
Napi::Value ready(const Napi::CallbackInfo& info, const char* call) {
  Args args(info);
  const Driver& driver = use(info.Env(), device(args));
  const Status status = (driver.*function)(args.pointer("handle"));
  if (status != not_ready) check(info.Env(), driver, status, call);
  return Napi::Boolean::New(info.Env(), status != not_ready);
}

// streamWait(device, stream, event): what follows on the stream starts after the event.
void stream_wait(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Args args(info);
  const Driver& driver = use(env, device(args));
  void *stream = args.pointer("stream"), *event = args.pointer("event");
  CUDA_CALL(cuStreamWaitEvent, stream, event, 0);
}
void event_record(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Args args(info);
  const Driver& driver = use(env, device(args));
  void *event = args.pointer("event"), *stream = args.pointer("stream");
  CUDA_CALL(cuEventRecord, event, stream);
}

// elapsed(device, start, end) → milliseconds
Napi::Value elapsed(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Args args(info);
  const Driver& driver = use(env, device(args));
  void *start = args.pointer("start"), *end = args.pointer("end");
  float milliseconds = 0;
  CUDA_CALL(cuEventElapsedTime, &milliseconds, start, end);
  return Napi::Number::New(env, milliseconds);
}

// setDevice(device): what this thread launches next goes there.
void set_device(const Napi::CallbackInfo& info) {
  Args args(info);
  use(info.Env(), device(args));
}

void synchronize(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Args args(info);
  const Driver& driver = use(env, device(args));
  CUDA_CALL(cuCtxSynchronize);
}

}  // namespace

void export_streams(Napi::Env env, Napi::Object exports) {
  using Info = const Napi::CallbackInfo&;
  auto add = [&](const char* name, auto function) { exports[name] = Napi::Function::New(env, function); };
  add("streamCreate", stream_create);
  add("streamDestroy", [](Info info) { apply<&Driver::cuStreamDestroy>(info, "cuStreamDestroy"); });
  add("streamSynchronize", [](Info info) { apply<&Driver::cuStreamSynchronize>(info, "cuStreamSynchronize"); });
  add("streamQuery", [](Info info) { return ready<&Driver::cuStreamQuery>(info, "cuStreamQuery"); });
  add("streamWait", stream_wait);
  add("eventCreate", event_create);
  add("eventDestroy", [](Info info) { apply<&Driver::cuEventDestroy>(info, "cuEventDestroy"); });
  add("eventRecord", event_record);
  add("eventSynchronize", [](Info info) { apply<&Driver::cuEventSynchronize>(info, "cuEventSynchronize"); });
  add("eventQuery", [](Info info) { return ready<&Driver::cuEventQuery>(info, "cuEventQuery"); });
  add("elapsed", elapsed);
  add("setDevice", set_device);
  add("synchronize", synchronize);
}

}  // namespace qlora::cuda
