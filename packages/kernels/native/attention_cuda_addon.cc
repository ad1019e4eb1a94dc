// attention_cuda_addon.cc: attention and attentionBackward on a device: the checks.
#include <algorithm>

#include "cuda_addon.h"

namespace {
using namespace qlora::cuda;
using qlora::Span;

// The arguments of both, read in their order; how many tokens there are follows from the arrays.
struct Call : Attention {
  DeviceArgs args;
  Napi::Env env;
  uint64_t q_width, k_width;

  explicit Call(const Napi::CallbackInfo& info) : args(info), env(info.Env()) {
    const int64_t heads = args.size("heads"), kv_heads = args.size("kvHeads"), head_dim = args.size("headDim");
    scale = float(args.number("scale"));
    if (heads == 0 || kv_heads == 0 || heads % kv_heads || heads > 65535)
      throw range("heads must be a multiple of kvHeads and at most 65535, got " + std::to_string(heads) + " and " +
                  std::to_string(kv_heads));
    if (head_dim == 0 || head_dim % 8 || head_dim > 256)
      throw range("headDim must be a multiple of 8 up to 256 on a device, got " + std::to_string(head_dim));
    if (!(scale > 0)) throw range("scale must be above 0 on a device, got " + std::to_string(scale));
    const auto q_borders = args.array<int32_t>("cuQ", 1);
    const auto k_borders = args.array<int32_t>("cuK", 1);
    if (q_borders.length != k_borders.length)
      throw range("cuQ and cuK must be equally long, got " + std::to_string(q_borders.length) + " and " +
                  std::to_string(k_borders.length));
    cu_q = q_borders, cu_k = k_borders, segments = int32_t(q_borders.length - 1);
    this->heads = int32_t(heads), this->kv_heads = int32_t(kv_heads), this->head_dim = int32_t(head_dim);
    q_width = uint64_t(heads * head_dim), k_width = uint64_t(kv_heads * head_dim);
    q_rows = k_rows = INT32_MAX;
  }

  // An array of the queries' or the keys' tokens, of which there are at most as many as it has room for.
  bf16* queries(const char* name) { return tokens(name, q_width, q_rows); }
  bf16* keys(const char* name) { return tokens(name, k_width, k_rows); }
  float* lse() {
    const auto array = args.array<float>("lse", 0);
    q_rows = int32_t(std::min<uint64_t>(q_rows, array.length / heads));
    return array;
  }
  Napi::RangeError range(const std::string& message) const { return Napi::RangeError::New(env, message); }

 private:
  bf16* tokens(const char* name, uint64_t width, int32_t& rows) {
    const Span<bf16> array = args.array<bf16>(name, 0);
    if (reinterpret_cast<uintptr_t>(array.data) % 16)
      throw range(std::string(name) + " must begin on a 16-byte boundary of device memory");
    rows = int32_t(std::min<uint64_t>(rows, array.length / width));
    return array;
  }
};

void attention(const Napi::CallbackInfo& info) {
  Call call(info);
  call.q = call.queries("q"), call.k = call.keys("k"), call.v = call.keys("v");
  bf16* out = call.queries("out");
  float* lse = call.lse();
  const auto scratch = call.args.optional<float>("scratch", 0);
  check(info.Env(), attention(call, out, lse, scratch, int64_t(scratch.length), nullptr), "attention");
}

void attention_backward(const Napi::CallbackInfo& info) {
  Call call(info);
  const bf16* dout = call.queries("dout");
  call.q = call.queries("q"), call.k = call.keys("k"), call.v = call.keys("v");
  const bf16* out = call.queries("out");
  const float* lse = call.lse();
  bf16 *dq = call.queries("dq"), *dk = call.keys("dk"), *dv = call.keys("dv");
  check(info.Env(), attention_backward(call, dout, out, lse, dq, dk, dv, nullptr), "attentionBackward");
}
}  // namespace

void export_attention_cuda(Napi::Object cuda) {
  add_function(cuda, "attention", attention);
  add_function(cuda, "attentionBackward", attention_backward);
}
