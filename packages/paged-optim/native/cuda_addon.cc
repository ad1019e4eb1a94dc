// cuda_addon.cc: the kernels on a device for JavaScript, the exports of `cuda` in paged-optim.node and paged-optim.emu.node.
// Arrays are device arrays; sums of f64 are the bytes of u8 arrays.
#include <cstring>

#include "cuda.h"
#include "qlora/cuda/addon.h"
#include "qlora/cuda/args.h"
#include "step_args.h"

namespace {
using qlora::cuda::check, qlora::cuda::DeviceArgs, qlora::cuda::Stream, qlora::cuda::sum_parts;

constexpr Stream stream = nullptr;  // everything is queued on the default stream

void step(const Napi::CallbackInfo& info) {
  const qlora::optim::Step t = qlora::optim::step_args<bf16>(info, DeviceArgs(info));
  if (t.n) check(info.Env(), qlora::cuda::step(t, stream), "step");
}

// sumSquares(x, scratch, sum): scratch holds sum_parts doubles, sum one
void sum_squares(const Napi::CallbackInfo& info) {
  DeviceArgs args(info);
  const auto x = args.array<float>("x", 0);
  const auto scratch = args.array<uint8_t>("scratch", sum_parts * 8), sum = args.array<uint8_t>("sum", 8);
  check(info.Env(),
        qlora::cuda::sum_squares(x, int64_t(x.length), reinterpret_cast<double*>(scratch.data), reinterpret_cast<double*>(sum.data), stream),
        "sumSquares");
}

void scale(const Napi::CallbackInfo& info) {
  DeviceArgs args(info);
  const auto x = args.array<float>("x", 0);
  check(info.Env(), qlora::cuda::scale(x, float(args.number("a")), int64_t(x.length), stream), "scale");
}

void widen(const Napi::CallbackInfo& info) {
  DeviceArgs args(info);
  const auto x = args.array<bf16>("x", 0);
  const auto y = args.array<float>("y", x.length);
  check(info.Env(), qlora::cuda::widen(reinterpret_cast<const uint16_t*>(x.data), y, int64_t(x.length), stream), "widen");
}
}  // namespace

// Adds `cuda`, the kernels on a device, and cudaBackend.
void export_cuda(Napi::Env env, Napi::Object exports) {
  qlora::cuda::export_backend(env, exports);
  Napi::Object kernels = Napi::Object::New(env);
  const auto add = [&](const char* name, void (*function)(const Napi::CallbackInfo&)) {
    kernels[name] = Napi::Function::New(env, function);
  };
  kernels["sumBytes"] = Napi::Number::New(env, sum_parts * 8);
  add("step", step);
  add("sumSquares", sum_squares);
  add("scale", scale);
  add("widen", widen);
  exports["cuda"] = kernels;
}
