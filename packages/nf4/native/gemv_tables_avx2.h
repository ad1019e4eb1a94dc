// gemv_tables_avx2.h: for products without a multiplication per weight, each element of x has a table of its 16
// products with the levels, as integers of four 7-bit digits: vpshufb looks a digit up for 32 weights at once.
//
// Of each group of 64 elements (32 where blocks are of 32): x·level = p·s, |p| < 2^27, s a power of two; digits are
// those of p + 2^27. Relative to the largest |x|·|level| of a group a product is off by 2^-24 at most, like an f32.
#pragma once
#include <algorithm>

#include "panels_avx2.h"

namespace qlora::QLORA_SIMD {

inline constexpr int table_bytes = 64;  // of one element of x: four digits of 16 products

inline int64_t gemv_group(const Weights4& w) { return w.block < 64 ? 32 : 64; }

// 2^e, also where it is beyond the range of f32, as two factors.
struct Power {
  float a, b;
  explicit Power(int e) : a(std::ldexp(1.0f, e / 2)), b(std::ldexp(1.0f, e - e / 2)) {}
};

// Elements begin … end of row m of x, whole groups: their tables [k][digit][16] bytes, and after all tables s [group].
inline void gemv_tables(const Product4& p, int64_t m, int64_t begin, int64_t end, float* tables) {
  const int64_t group = gemv_group(p.w);
  float* const scales = tables + 16 * p.w.k;
  float level_max = 0;
  for (int i = 0; i < 16; ++i) level_max = std::max(level_max, std::fabs(p.w.levels[i]));
  int level_exponent = 0;
  std::frexp(level_max, &level_exponent);
  const Power to_unit(-level_exponent);
  const vf low = load(p.w.levels) * to_unit.a * to_unit.b, high = load(p.w.levels + 8) * to_unit.a * to_unit.b;
  const auto digits = [&](vf v) {
    const vi i = (vi)_mm256_cvtps_epi32((__m256)v) + (1 << 27);
    const vi spread = (i & 0x7f) | (i & 0x3f80) << 1 | (i & 0x1fc000) << 2 | (i & 0xfe00000) << 3;
    return (__m256i)spread;
  };
  for (int64_t k = begin; k < end; k += group) {
    const float* x = p.x + m * p.w.k + k;
    vi most{};  // bits of |x|: a NaN is above all
    for (int i = 0; i < group; i += W) {
      const vi bits = (vi)abs(load(x + i));
      most = bits > most ? bits : most;
    }
    const float largest = largest_of(most);
    const bool finite = std::isfinite(largest);
    int exponent = 0;
    std::frexp(finite ? largest : 0, &exponent);
    const Power power(27 - exponent);
    const float unit = std::ldexp(1.0f, exponent + level_exponent - 27);
    scales[k / group] = finite ? unit : std::numeric_limits<float>::quiet_NaN();
    for (int i = 0; i < group; ++i) {
      const vf v = splat(finite ? x[i] * power.a * power.b : 0.0f);
      __m256i* out = (__m256i*)(tables + 16 * (k + i));
      byte_planes(digits(v * low), digits(v * high), out[0], out[1]);
    }
  }
}

}  // namespace qlora::QLORA_SIMD
