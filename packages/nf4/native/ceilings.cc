// ceilings.cc: what the machine's memory allows, measured beside the codec.
#include "qlora/napi.h"
#include "qlora/pages.h"
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace {
constexpr int64_t piece = 16384;

// Non-temporal stores of whole lines (plain ones where the processor has none): the ceiling of any decoder.
#if defined(__x86_64__)
__attribute__((target("avx512f"))) void fill512(float* out, int64_t n) {
  const __m512 v = _mm512_set1_ps(1);
  for (int64_t i = 0; i < n; i += 16) _mm512_stream_ps(out + i, v);
  _mm_sfence();
}
#endif
void fill(float* out, int64_t n) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) return fill512(out, n);
  const __m128 v = _mm_set1_ps(1);
  for (int64_t i = 0; i < n; i += 4) _mm_stream_ps(out + i, v);
  _mm_sfence();
#else
  for (int64_t i = 0; i < n; ++i) out[i] = 1;
#endif
}

// Stores over `out`, from its first 64-byte boundary on.
void store(const Napi::CallbackInfo& info) {
  const auto out = qlora::Args(info).array<float>("out", 2 * piece);
  float* begin = out.data + (64 - (uintptr_t(out.data) & 63)) % 64 / 4;
  const int64_t pieces = (int64_t(out.length) - 16) / piece;
  qlora::prefer_huge_pages(out.data, int64_t(out.length) * 4);
  qlora::parallel_for(pieces, [&](int64_t i) { fill(begin + i * piece, piece); });
}

// Sums x, one read of each line.
Napi::Value load(const Napi::CallbackInfo& info) {
  const auto x = qlora::Args(info).array<float>("x", piece);
  const int64_t pieces = int64_t(x.length) / piece;
  std::atomic<uint32_t> sum{0};
  qlora::parallel_for(pieces, [&](int64_t i) {
    const uint32_t* bits = reinterpret_cast<const uint32_t*>(x.data + i * piece);
    uint32_t s = 0;
    for (int64_t j = 0; j < piece; ++j) s ^= bits[j];
    sum ^= s;
  });
  return Napi::Number::New(info.Env(), sum);
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  qlora::export_threads(env, exports);
  exports["store"] = Napi::Function::New(env, store);
  exports["load"] = Napi::Function::New(env, load);
  return exports;
}
}  // namespace
NODE_API_MODULE(nf4_bench, init)
