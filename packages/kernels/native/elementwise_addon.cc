// elementwise_addon.cc: add, scale, sumSquares, dropout, toBf16, fromBf16.
#include <vector>

#include "chunks.h"
#include "dropout_args.h"
#include "kernels.h"
#include "qlora/napi.h"

namespace {
using namespace qlora;

void add(const Napi::CallbackInfo& info) {
  Args args(info);
  const int64_t n = args.size("n");
  const auto x = args.array<float>("x", n), y = args.array<float>("y", n);
  const Kernels& kernels = tables<Kernels>.active();
  for_chunks(n, light_elements, [&](int64_t begin, int64_t end) { kernels.add(x + begin, y + begin, end - begin); });
}

void scale(const Napi::CallbackInfo& info) {
  Args args(info);
  const int64_t n = args.size("n");
  const float a = float(args.number("a"));
  const auto x = args.array<float>("x", n);
  const Kernels& kernels = tables<Kernels>.active();
  for_chunks(n, light_elements, [&](int64_t begin, int64_t end) { kernels.scale(x + begin, a, end - begin); });
}

// Sums of chunks, then a tree over them that n alone determines.
Napi::Value sum_squares(const Napi::CallbackInfo& info) {
  Args args(info);
  const int64_t n = args.size("n");
  const auto x = args.array<float>("x", n);
  const Kernels& kernels = tables<Kernels>.active();
  std::vector<double> sums(size_t(n / chunk_elements + 1));
  for_chunks(n, chunk_elements, [&](int64_t begin, int64_t end) {
    sums[size_t(begin / chunk_elements)] = kernels.sum_squares(x + begin, end - begin);
  });
  for (size_t step = 1; step < sums.size(); step *= 2)
    for (size_t i = 0; i + step < sums.size(); i += 2 * step) sums[i] += sums[i + step];
  return Napi::Number::New(info.Env(), sums[0]);
}

void dropout(const Napi::CallbackInfo& info) {
  Args args(info);
  const DropoutArgs d = dropout_args(info, args);
  const auto x = args.array<float>("x", d.n), y = args.array<float>("y", d.n);
  const Kernels& kernels = tables<Kernels>.active();
  for_chunks(d.n, chunk_elements, [&](int64_t begin, int64_t end) {
    kernels.dropout(x + begin, y + begin, end - begin, d.p, d.seed, d.offset + uint64_t(begin), d.accumulate);
  });
}

void to_bf16(const Napi::CallbackInfo& info) {
  Args args(info);
  const int64_t n = args.size("n");
  const auto x = args.array<float>("x", n);
  const auto y = args.array<uint16_t>("y", n);
  const Kernels& kernels = tables<Kernels>.active();
  for_chunks(n, light_elements,
             [&](int64_t begin, int64_t end) { kernels.to_bf16(x + begin, y + begin, end - begin); });
}

void from_bf16(const Napi::CallbackInfo& info) {
  Args args(info);
  const int64_t n = args.size("n");
  const auto x = args.array<uint16_t>("x", n);
  const auto y = args.array<float>("y", n);
  const Kernels& kernels = tables<Kernels>.active();
  for_chunks(n, light_elements,
             [&](int64_t begin, int64_t end) { kernels.from_bf16(x + begin, y + begin, end - begin); });
}
}  // namespace

void export_elementwise(Napi::Env env, Napi::Object exports) {
  exports["add"] = Napi::Function::New(env, add);
  exports["scale"] = Napi::Function::New(env, scale);
  exports["sumSquares"] = Napi::Function::New(env, sum_squares);
  exports["dropout"] = Napi::Function::New(env, dropout);
  exports["toBf16"] = Napi::Function::New(env, to_bf16);
  exports["fromBf16"] = Napi::Function::New(env, from_bf16);
}
