// matmul_addon.cc: arguments of the dense products in, nothing else.
#include "matmul.h"
#include "qlora/napi.h"

namespace {

// (m, n, k, alpha, accumulate, left, right, out)
template <qlora::Product product, bool int8 = false>
void run(const Napi::CallbackInfo& info) {
  using qlora::Product;
  qlora::Args args(info);
  const int64_t m = args.size("m"), n = args.size("n"), k = args.size("k");
  const float alpha = float(args.number("alpha"));
  const bool accumulate = args.flag("accumulate");
  const uint64_t mk = args.product(m, k, "m × k"), mn = args.product(m, n, "m × n"), nk = args.product(n, k, "n × k");
  qlora::Matmul p{product, m, n, k, alpha, accumulate, int8, nullptr, nullptr, nullptr, nullptr};
  if constexpr (product == Product::forward) p.left = args.array<float>("x", mk);
  else p.left = args.array<float>("dy", mn);
  if constexpr (product == Product::grad_weight) p.right = args.array<float>("x", mk);
  else if (args.next_is<uint16_t>()) p.right16 = args.array<uint16_t>("w", nk);
  else p.right = args.array<float>("w", nk);
  if constexpr (product == Product::forward) p.out = args.array<float>("y", mn);
  else if constexpr (product == Product::transposed) p.out = args.array<float>("dx", mk);
  else p.out = args.array<float>("dw", nk);
  qlora::matmul(p);
}

}  // namespace

void export_matmul(Napi::Env env, Napi::Object exports) {
  exports["matmul"] = Napi::Function::New(env, run<qlora::Product::forward>);
  exports["matmulTransposed"] = Napi::Function::New(env, run<qlora::Product::transposed>);
  exports["matmulInt8"] = Napi::Function::New(env, run<qlora::Product::forward, true>);
  exports["matmulTransposedInt8"] = Napi::Function::New(env, run<qlora::Product::transposed, true>);
  exports["matmulGradWeight"] = Napi::Function::New(env, run<qlora::Product::grad_weight>);
}
