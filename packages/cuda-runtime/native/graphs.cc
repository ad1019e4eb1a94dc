// graphs.cc: CUDA graphs, captured from the default stream of the calling thread.
#include "call.h"

namespace qlora::cuda {
namespace {

// captureBegin(device): what this thread queues from now on is recorded instead of run.
void capture_begin(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Args args(info);
  const Driver& driver = use(env, device(args));
  CUDA_CALL(cuStreamBeginCapture, stream_per_thread, capture_relaxed);
}

// captureEnd(device) → handle of what was recorded, ready to be launched.
Napi::Value capture_end(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Args args(info);
  const Driver& driver = use(env, device(args));
  Graph graph = nullptr;
  CUDA_CALL(cuStreamEndCapture, stream_per_thread, &graph);
  GraphExec exec = nullptr;
  const Status status = driver.cuGraphInstantiateWithFlags(&exec, graph, 0);
  driver.cuGraphDestroy(graph);
  check(env, driver, status, "cuGraphInstantiateWithFlags");
  return bigint(env, exec);
}

void graph_launch(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Args args(info);
  const Driver& driver = use(env, device(args));
  CUDA_CALL(cuGraphLaunch, args.pointer("graph"), stream_per_thread);
}
void graph_destroy(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Args args(info);
  const Driver& driver = use(env, device(args));
  CUDA_CALL(cuGraphExecDestroy, args.pointer("graph"));
}

}  // namespace

void export_graphs(Napi::Env env, Napi::Object exports) {
  exports["captureBegin"] = Napi::Function::New(env, capture_begin);
  exports["captureEnd"] = Napi::Function::New(env, capture_end);
  exports["graphLaunch"] = Napi::Function::New(env, graph_launch);
  exports["graphDestroy"] = Napi::Function::New(env, graph_destroy);
}

}  // namespace qlora::cuda
