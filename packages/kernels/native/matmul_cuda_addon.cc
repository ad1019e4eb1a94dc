// matmul_cuda_addon.cc: arguments of the dense products on a device in, nothing else. Each function has the arguments of its CPU
// namesake in matmul_addon.cc, with device arrays of f32 or bf16 for every array.
#include <climits>

#include "matmul_cuda.h"
#include "qlora/cuda/addon.h"
#include "qlora/cuda/args.h"
#include "qlora/cuda/cublas_addon.h"

namespace {

using qlora::cuda::DeviceArgs;
using qlora::cuda::Product;

qlora::cuda::Matrix matrix(Napi::Env env, DeviceArgs& args, const char* name, uint64_t needed) {
  if (args.next_is<float>()) return {args.array<float>(name, needed).data, true};
  if (args.next_is<bf16>()) return {args.array<bf16>(name, needed).data, false};
  throw Napi::TypeError::New(env, std::string(name) + " must be a device array of f32 or bf16");
}

// (m, n, k, alpha, accumulate, left, right, out)
template <Product product>
void run(const Napi::CallbackInfo& info) {
  DeviceArgs args(info);
  qlora::cuda::DenseProduct p{};
  p.m = args.size("m"), p.n = args.size("n"), p.k = args.size("k");
  p.alpha = float(args.number("alpha"));
  p.accumulate = args.flag("accumulate");
  for (const int64_t size : {p.m, p.n, p.k})
    if (size > INT_MAX) throw Napi::RangeError::New(info.Env(), "m, n and k must be below 2^31 on a device");
  const uint64_t mk = args.product(p.m, p.k, "m × k"), mn = args.product(p.m, p.n, "m × n"), nk = args.product(p.n, p.k, "n × k");
  constexpr bool forward = product == Product::forward, transposed = product == Product::transposed;
  p.left = matrix(info.Env(), args, forward ? "x" : "dy", forward ? mk : mn);
  p.right = matrix(info.Env(), args, forward || transposed ? "w" : "x", forward || transposed ? nk : mk);
  p.out = matrix(info.Env(), args, forward ? "y" : transposed ? "dx" : "dw", forward ? mn : transposed ? mk : nk);
  const char* name = forward ? "matmul" : transposed ? "matmulTransposed" : "matmulGradWeight";
  qlora::cuda::check(info.Env(), qlora::matmul_cuda(product, p, nullptr), name);
}

}  // namespace

void export_matmul_cuda(Napi::Env env, Napi::Object exports) {
  exports["matmul"] = Napi::Function::New(env, run<Product::forward>);
  exports["matmulTransposed"] = Napi::Function::New(env, run<Product::transposed>);
  exports["matmulGradWeight"] = Napi::Function::New(env, run<Product::grad_weight>);
  qlora::cuda::export_cublas(env, exports);
}
