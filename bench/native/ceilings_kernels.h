// ceilings_kernels.h: the loops of ceilings.h for one instruction set.
#include "ceilings.h"
#include "qlora/simd.h"
#include "qlora/vec.h"

namespace qlora::QLORA_SIMD {
namespace {

// Independent sums: enough to hide the latency of two units, few enough to stay in registers.
#if defined(__AVX512F__) || defined(__ARM_NEON)
inline constexpr int chains = 24;
#else
inline constexpr int chains = 12;
#endif

double fma_peak(int64_t iterations) {
  vf sums[chains];
  for (int c = 0; c < chains; ++c) sums[c] = splat(float(c) * 1e-3f);
  const vf a = splat(0.999f), b = splat(1e-4f);
  for (int64_t i = 0; i < iterations; ++i) {
    asm volatile("" : "+r"(i));  // keeps the loop a loop
#pragma GCC unroll 24
    for (int c = 0; c < chains; ++c) sums[c] = fma(sums[c], a, b);
  }
  vf total{};
  for (int c = 0; c < chains; ++c) total += sums[c];
  return reduce_add(total);
}

#if defined(__AVX2__)
// Sums in 32 bits of four products of bytes each, unsigned by signed.
inline vi dot(vi sum, vi a, vi b) {
#if defined(__AVX512F__)
  asm volatile("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));  // the intrinsic would need a flag for the whole file
  return sum;
#else
  __m256i pairs = _mm256_maddubs_epi16((__m256i)a, (__m256i)b);
  asm volatile("" : "+x"(pairs));  // a and b never change: keeps every product
  return sum + (vi)_mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
#endif
}

int64_t int8_peak(int64_t iterations) {
#if defined(__AVX512F__)
  if (!__builtin_cpu_supports("avx512vnni")) return 0;
#endif
  vi sums[chains]{};
  const vi a = vi{} + 0x01010101, b = vi{} + 0x02020202;
  for (int64_t i = 0; i < iterations; ++i) {
    asm volatile("" : "+r"(i));
#pragma GCC unroll 24
    for (int c = 0; c < chains; ++c) sums[c] = dot(sums[c], a, b);
  }
  vi total{};
  for (int c = 0; c < chains; ++c) total += sums[c];
  return total[0];
}
#else
int64_t int8_peak(int64_t) { return 0; }
#endif

float read_stream(const float* x, int64_t n) {
  vf sums[8]{};
  int64_t i = 0;
  for (; i + 8 * W <= n; i += 8 * W)
    for (int c = 0; c < 8; ++c) sums[c] = sums[c] + load(x + i + c * W);
  vf total{};
  for (int c = 0; c < 8; ++c) total = total + sums[c];
  float sum = reduce_add(total);
  for (; i < n; ++i) sum += x[i];
  return sum;
}

inline void stream(float* p, vf v) {
#if defined(__AVX512F__)
  _mm512_stream_ps(p, (__m512)v);
#elif defined(__AVX2__)
  _mm256_stream_ps(p, (__m256)v);
#else
  store(p, v);
#endif
}

// The first element at which stores are aligned to a register.
int64_t aligned_from(const float* p, int64_t n) {
  const int64_t skip = int64_t((sizeof(vf) - uintptr_t(p) % sizeof(vf)) % sizeof(vf) / 4);
  return skip < n ? skip : n;
}

void write_stream(float* y, int64_t n, float value) {
  const vf v = splat(value);
  int64_t i = aligned_from(y, n);
  for (int64_t j = 0; j < i; ++j) y[j] = value;
  for (; i + W <= n; i += W) stream(y + i, v);
  for (; i < n; ++i) y[i] = value;
}

void copy_stream(const float* x, float* y, int64_t n) {
  int64_t i = aligned_from(y, n);
  for (int64_t j = 0; j < i; ++j) y[j] = x[j];
  for (; i + W <= n; i += W) stream(y + i, load(x + i));
  for (; i < n; ++i) y[i] = x[i];
}

constexpr Ceilings table{fma_peak,    int64_t(2) * W * chains, int8_peak,  int64_t(8) * W * chains,
                         read_stream, write_stream,            copy_stream};

}  // namespace
}  // namespace qlora::QLORA_SIMD
