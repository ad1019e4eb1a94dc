// rms_norm_addon.cc: rmsNorm and rmsNormBackward.
#include "chunks.h"
#include "kernels.h"
#include "qlora/napi.h"

namespace {
using namespace qlora;

void rms_norm(const Napi::CallbackInfo& info) {
  Args args(info);
  const int64_t m = args.size("m"), d = args.size("d");
  const float eps = float(args.number("eps"));
  const uint64_t n = args.product(m, d, "m × d");
  const auto x = args.array<float>("x", n), weight = args.array<float>("weight", d);
  const auto y = args.array<float>("y", n), inv_rms = args.array<float>("invRms", m);
  const Kernels& kernels = tables<Kernels>.active();
  for_rows(m, d, [&](int64_t begin, int64_t end) {
    kernels.rms_norm(x + begin * d, weight, y + begin * d, inv_rms + begin, end - begin, d, eps);
  });
}

void rms_norm_backward(const Napi::CallbackInfo& info) {
  Args args(info);
  const int64_t m = args.size("m"), d = args.size("d");
  const uint64_t n = args.product(m, d, "m × d");
  const auto dy = args.array<float>("dy", n), x = args.array<float>("x", n), weight = args.array<float>("weight", d);
  const auto inv_rms = args.array<float>("invRms", m), dx = args.array<float>("dx", n);
  const auto dweight = args.optional<float>("dweight", d);
  const Kernels& kernels = tables<Kernels>.active();
  for_rows(m, d, [&](int64_t begin, int64_t end) {
    kernels.rms_norm_backward(dy + begin * d, x + begin * d, weight, inv_rms + begin, dx + begin * d, end - begin, d);
  });
  if (!dweight.data) return;
  const int64_t columns = int64_t(n) <= chunk_elements ? d : 256;
  for_chunks(d, std::max<int64_t>(1, columns), [&](int64_t begin, int64_t end) {
    kernels.rms_norm_backward_weight(dy, x, inv_rms, dweight, m, d, begin, end);
  });
}
}  // namespace

void export_rms_norm(Napi::Env env, Napi::Object exports) {
  exports["rmsNorm"] = Napi::Function::New(env, rms_norm);
  exports["rmsNormBackward"] = Napi::Function::New(env, rms_norm_backward);
}
