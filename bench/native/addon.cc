// addon.cc: the ceilings and OpenBLAS for JavaScript; each call does one piece of work and is timed by the caller.
#include "blas.h"
#include "ceilings.h"
#include "handover.h"
#include "qlora/napi.h"
#include "qlora/pages.h"
#include <algorithm>
#include <atomic>

namespace {
using qlora::Args;
constexpr int64_t chunk = 1 << 18;  // elements of a task: 1 MiB

const Ceilings& active() { return qlora::tables<Ceilings>.active(); }
int64_t chunks(int64_t n) { return (n + chunk - 1) / chunk; }
int64_t length(int64_t i, int64_t n) { return std::min(chunk, n - i * chunk); }

// fma(iterations): runs them on every thread; returns the floating-point operations done.
Napi::Value fma(const Napi::CallbackInfo& info) {
  const int64_t iterations = Args(info).size("iterations");
  const int threads = qlora::Pool::instance().threads();
  qlora::parallel_for(threads, [&](int64_t) {
    volatile double sink = active().fma(iterations);
    (void)sink;
  });
  return Napi::Number::New(info.Env(), double(threads) * double(iterations) * double(active().flops_per_iteration));
}

// int8(iterations): likewise with bytes; 0 where the set has no instruction for it.
Napi::Value int8(const Napi::CallbackInfo& info) {
  const int64_t iterations = Args(info).size("iterations");
  const int threads = qlora::Pool::instance().threads();
  std::atomic<int64_t> alive{0};
  qlora::parallel_for(threads, [&](int64_t) { alive += active().int8(iterations); });
  return Napi::Number::New(info.Env(), alive ? double(threads) * double(iterations) * double(active().int8_per_iteration) : 0);
}

void read(const Napi::CallbackInfo& info) {
  auto x = Args(info).array<float>("x", 0);
  const int64_t n = int64_t(x.length);
  qlora::parallel_for(chunks(n), [&](int64_t i) {
    volatile float sink = active().read(x + i * chunk, length(i, n));
    (void)sink;
  });
}

// The first to touch an array: the ceilings are those of huge pages, which weights lie on too.
void write(const Napi::CallbackInfo& info) {
  auto y = Args(info).array<float>("y", 0);
  const int64_t n = int64_t(y.length);
  qlora::prefer_huge_pages(y.data, n * 4);
  qlora::parallel_for(chunks(n), [&](int64_t i) { active().write(y + i * chunk, length(i, n), 1.0f); });
}

void copy(const Napi::CallbackInfo& info) {
  Args args(info);
  auto x = args.array<float>("x", 0);
  auto y = args.array<float>("y", x.length);
  const int64_t n = int64_t(x.length);
  qlora::parallel_for(chunks(n), [&](int64_t i) { active().copy(x + i * chunk, y + i * chunk, length(i, n)); });
}

Napi::Value open_blas(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), blas_open(int(Args(info).size("threads"))));
}

void sgemm(const Napi::CallbackInfo& info) {
  Args args(info);
  const bool transposed = args.flag("transposed");
  const int64_t m = args.size("m"), n = args.size("n"), k = args.size("k");
  auto x = args.array<float>("x", uint64_t(m) * uint64_t(transposed ? n : k));
  auto w = args.array<float>("w", uint64_t(n) * uint64_t(k));
  auto y = args.array<float>("y", uint64_t(m) * uint64_t(transposed ? k : n));
  blas_sgemm(transposed, int(m), int(n), int(k), x, w, y);
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  qlora::export_threads(env, exports);
  qlora::export_simd(env, exports, qlora::tables<Ceilings>);
  exports["fma"] = Napi::Function::New(env, fma);
  exports["int8"] = Napi::Function::New(env, int8);
  exports["read"] = Napi::Function::New(env, read);
  exports["write"] = Napi::Function::New(env, write);
  exports["copy"] = Napi::Function::New(env, copy);
  exports["handover"] = Napi::Function::New(env, [](const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), handover()); });
  exports["openBlas"] = Napi::Function::New(env, open_blas);
  exports["sgemm"] = Napi::Function::New(env, sgemm);
  return exports;
}
}  // namespace
NODE_API_MODULE(bench, init)
