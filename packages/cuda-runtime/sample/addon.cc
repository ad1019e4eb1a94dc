// addon.cc: the sample kernels for JavaScript: device pointers and sizes in, nothing out. One source for sample.node and
// sample.emu.node.
#include "qlora/cuda/addon.h"
#include "sample.h"

namespace {

using qlora::Args;
using qlora::cuda::check;

template <class T>
T* pointer(Args& args, const char* name) {
  return static_cast<T*>(args.pointer(name));
}

void add(const Napi::CallbackInfo& info) {
  Args args(info);
  auto *x = pointer<float>(args, "x"), *y = pointer<float>(args, "y"), *z = pointer<float>(args, "z");
  const int64_t n = args.size("n");
  check(info.Env(), sample::add(x, y, z, n, args.pointer("stream")), "add");
}
void exp2(const Napi::CallbackInfo& info) {
  Args args(info);
  auto *x = pointer<float>(args, "x"), *y = pointer<float>(args, "y");
  const int64_t n = args.size("n");
  check(info.Env(), sample::exp2(x, y, n, args.pointer("stream")), "exp2");
}
void sum(const Napi::CallbackInfo& info) {
  Args args(info);
  auto *x = pointer<float>(args, "x"), *partial = pointer<float>(args, "partial"), *result = pointer<float>(args, "result");
  const int64_t n = args.size("n");
  check(info.Env(), sample::sum(x, partial, result, n, args.pointer("stream")), "sum");
}
void matmul(const Napi::CallbackInfo& info) {
  Args args(info);
  auto *a = pointer<uint16_t>(args, "a"), *b = pointer<uint16_t>(args, "b"), *c = pointer<uint16_t>(args, "c");
  const int m = int(args.size("m")), n = int(args.size("n")), k = int(args.size("k"));
  check(info.Env(), sample::matmul(a, b, c, m, n, k, args.pointer("stream")), "matmul");
}
void matmul_s8(const Napi::CallbackInfo& info) {
  Args args(info);
  auto *a = pointer<int8_t>(args, "a"), *b = pointer<int8_t>(args, "b");
  auto* c = pointer<int32_t>(args, "c");
  const int m = int(args.size("m")), n = int(args.size("n")), k = int(args.size("k"));
  check(info.Env(), sample::matmul_s8(a, b, c, m, n, k, args.pointer("stream")), "matmulS8");
}
void warp(const Napi::CallbackInfo& info) {
  Args args(info);
  auto *x = pointer<int32_t>(args, "x"), *out = pointer<int32_t>(args, "out");
  const int rows = int(args.size("rows"));
  check(info.Env(), sample::warp(x, out, rows, args.pointer("stream")), "warp");
}
void fragments(const Napi::CallbackInfo& info) {
  Args args(info);
  auto* x = pointer<uint16_t>(args, "x");
  auto* out = pointer<uint32_t>(args, "out");
  const bool transposed = args.flag("transposed");
  check(info.Env(), sample::fragments(x, out, transposed, args.pointer("stream")), "fragments");
}
void mistake(const Napi::CallbackInfo& info) {
  Args args(info);
  const auto which = sample::Mistake(args.size("which") % int(sample::Mistake::count));
  auto *x = pointer<float>(args, "x"), *y = pointer<float>(args, "y");
  const int n = int(args.size("n"));
  check(info.Env(), sample::mistake(which, x, y, n, args.pointer("stream")), "mistake");
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  qlora::export_threads(env, exports);
  qlora::cuda::export_backend(env, exports);
  exports["add"] = Napi::Function::New(env, add);
  exports["exp2"] = Napi::Function::New(env, [](const Napi::CallbackInfo& info) { exp2(info); });
  exports["sum"] = Napi::Function::New(env, sum);
  exports["matmul"] = Napi::Function::New(env, matmul);
  exports["matmulS8"] = Napi::Function::New(env, matmul_s8);
  exports["warp"] = Napi::Function::New(env, warp);
  exports["fragments"] = Napi::Function::New(env, fragments);
  exports["mistake"] = Napi::Function::New(env, mistake);
  return exports;
}

}  // namespace
NODE_API_MODULE(sample, init)
