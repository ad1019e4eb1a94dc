// machine_kernels.h: the loops of machine.h, compiled once per instruction set.
#pragma once
#include "machine.h"
#include "qlora/vec.h"

namespace qlora::QLORA_SIMD {

#if defined(__AVX512F__) || defined(__ARM_NEON)
inline constexpr int sums = 24;
#else
inline constexpr int sums = 12;
#endif

inline double fma_rounds(int64_t rounds) {
  vf c[sums], a = splat(1.0f), b = splat(0.0f);
  asm volatile("" : "+m"(a), "+m"(b));  // or the compiler would see that nothing happens
  for (int i = 0; i < sums; ++i) c[i] = splat(float(i));
  for (int64_t r = 0; r < rounds; ++r) {
    asm volatile("" : "+r"(r));
#pragma GCC unroll 24
    for (int i = 0; i < sums; ++i) c[i] = fma(c[i], a, b);
  }
  vf total{};
  for (int i = 0; i < sums; ++i) total += c[i];
  volatile float sink = reduce_add(total);
  (void)sink;
  return double(rounds) * sums * W * 2;
}

inline float read_floats(const float* data, int64_t floats) {
  vf s[8]{};
  int64_t i = 0;
  for (; i + 8 * W <= floats; i += 8 * W)
#pragma GCC unroll 8
    for (int j = 0; j < 8; ++j) {
      // 8 KiB ahead: processors themselves do not look beyond a page.
      if (j * W % 16 == 0) __builtin_prefetch(data + i + j * W + 2048);
      s[j] += load(data + i + j * W);
    }
  for (int j = 1; j < 8; ++j) s[0] += s[j];
  return reduce_add(s[0]);
}

inline constexpr Machine machine{fma_rounds, read_floats};

}  // namespace qlora::QLORA_SIMD
