// rope_addon.cc: rope.
#include "chunks.h"
#include "kernels.h"
#include "qlora/napi.h"

namespace {
using namespace qlora;

void rope(const Napi::CallbackInfo& info) {
  Args args(info);
  const int64_t m = args.size("m"), heads = args.size("heads"), head_dim = args.size("headDim");
  const bool inverse = args.flag("inverse");
  if (head_dim == 0 || head_dim % 2)
    throw Napi::RangeError::New(info.Env(), "headDim must be even and > 0, got " + std::to_string(head_dim));
  const int64_t width = args.product(heads, head_dim, "heads × headDim");
  const auto x = args.array<float>("x", args.product(m, width, "m × heads × headDim"));
  const auto positions = args.array<int32_t>("positions", m);
  const auto cos = args.array<float>("cos", 0);
  const auto sin = args.array<float>("sin", cos.length);
  const int64_t rows = cos.length / (head_dim / 2);
  for (int64_t i = 0; i < m; ++i)
    if (positions[i] < 0 || positions[i] >= rows)
      throw Napi::RangeError::New(info.Env(), "positions[" + std::to_string(i) + "] is " +
                                                  std::to_string(positions[i]) + ", must be 0 to " +
                                                  std::to_string(rows - 1));
  const Kernels& kernels = tables<Kernels>.active();
  for_rows(m, width, [&](int64_t begin, int64_t end) {
    kernels.rope(x + begin * width, positions + begin, cos, sin, end - begin, heads, head_dim, inverse);
  });
}
}  // namespace

void export_rope(Napi::Env env, Napi::Object exports) { exports["rope"] = Napi::Function::New(env, rope); }
