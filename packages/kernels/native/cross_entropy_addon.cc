// cross_entropy_addon.cc: crossEntropy.
#include "chunks.h"
#include "kernels.h"
#include "qlora/napi.h"

namespace {
using namespace qlora;

constexpr int32_t ignored = -100;  // PyTorch's ignore_index

void cross_entropy(const Napi::CallbackInfo& info) {
  Args args(info);
  const int64_t m = args.size("m"), v = args.size("v");
  const float scale = float(args.number("scale"));
  const bool gradient = args.flag("gradient");
  const auto logits = args.array<float>("logits", args.product(m, v, "m × v"));
  const auto labels = args.array<int32_t>("labels", m);
  const auto losses = args.array<float>("losses", m);
  for (int64_t i = 0; i < m; ++i)
    if (labels[i] != ignored && (labels[i] < 0 || labels[i] >= v))
      throw Napi::RangeError::New(info.Env(), "labels[" + std::to_string(i) + "] is " + std::to_string(labels[i]) +
                                                  ", must be 0 to " + std::to_string(v - 1) + " or -100");
  const Kernels& kernels = tables<Kernels>.active();
  for_rows(m, v, [&](int64_t begin, int64_t end) {
    kernels.cross_entropy(logits + begin * v, labels + begin, losses + begin, end - begin, v, scale, gradient);
  });
}
}  // namespace

void export_cross_entropy(Napi::Env env, Napi::Object exports) {
  exports["crossEntropy"] = Napi::Function::New(env, cross_entropy);
}
