// swiglu_addon.cc: swiglu and swigluBackward.
#include "chunks.h"
#include "kernels.h"
#include "qlora/napi.h"

namespace {
using namespace qlora;

void swiglu(const Napi::CallbackInfo& info) {
  Args args(info);
  const int64_t n = args.size("n");
  const auto gate = args.array<float>("gate", n), up = args.array<float>("up", n), y = args.array<float>("y", n);
  const Kernels& kernels = tables<Kernels>.active();
  for_chunks(n, chunk_elements,
             [&](int64_t begin, int64_t end) { kernels.swiglu(gate + begin, up + begin, y + begin, end - begin); });
}

void swiglu_backward(const Napi::CallbackInfo& info) {
  Args args(info);
  const int64_t n = args.size("n");
  const auto dy = args.array<float>("dy", n), gate = args.array<float>("gate", n), up = args.array<float>("up", n);
  const auto dgate = args.array<float>("dgate", n), dup = args.array<float>("dup", n);
  const Kernels& kernels = tables<Kernels>.active();
  for_chunks(n, chunk_elements, [&](int64_t begin, int64_t end) {
    kernels.swiglu_backward(dy + begin, gate + begin, up + begin, dgate + begin, dup + begin, end - begin);
  });
}
}  // namespace

void export_swiglu(Napi::Env env, Napi::Object exports) {
  exports["swiglu"] = Napi::Function::New(env, swiglu);
  exports["swigluBackward"] = Napi::Function::New(env, swiglu_backward);
}
