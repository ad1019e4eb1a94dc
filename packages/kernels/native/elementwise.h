// elementwise.h: add, scale, sum of squares, and the conversions between float32 and bf16.
#pragma once
#include "lanes.h"

namespace qlora::QLORA_SIMD {

inline void add(const float* x, float* y, int64_t n) {
  lanes(n, [&](int64_t i, int k) { store_lanes(y + i, load_lanes(y + i, k) + load_lanes(x + i, k), k); });
}

inline void scale(float* x, float a, int64_t n) {
  lanes(n, [&](int64_t i, int k) { store_lanes(x + i, load_lanes(x + i, k) * a, k); });
}

// Σ x² in float64. A square of a float32 is exact there, and 32 running sums, sum j taking elements j, j + 32, …, are
// folded in halves at the end: the same additions in the same order whatever the width of a register.
inline double sum_squares(const float* x, int64_t n) {
  constexpr int D = W / 2;  // doubles in a register
  typedef double vd __attribute__((vector_size(D * 8)));
  typedef float half __attribute__((vector_size(D * 4)));
  vd sums[32 / D]{};
  int64_t i = 0;
  for (; i + 32 <= n; i += 32)
    for (int j = 0; j < 32 / D; ++j) {
      half h;
      std::memcpy(&h, x + i + j * D, sizeof h);
      const vd v = __builtin_convertvector(h, vd);
      sums[j] += v * v;
    }
  double lanes[32];
  std::memcpy(lanes, sums, sizeof lanes);
  for (int j = 0; i + j < n; ++j) lanes[j] += double(x[i + j]) * x[i + j];
  for (int width = 16; width; width /= 2)
    for (int j = 0; j < width; ++j) lanes[j] += lanes[j + width];
  return lanes[0];
}

// Round to nearest, ties to even; a NaN stays one (quiet, same sign and upper payload).
inline void to_bf16(const float* x, uint16_t* y, int64_t n) {
  lanes(n, [&](int64_t i, int k) {
    const vf v = load_lanes(x + i, k);
    const vu bits = (vu)v;
    const vu rounded = bits + 0x7fffu + ((bits >> 16) & 1u);
    const vh h = __builtin_convertvector((v == v ? rounded : bits | 0x400000u) >> 16, vh);
    std::memcpy(y + i, &h, size_t(k) * 2);
  });
}

inline void from_bf16(const uint16_t* x, float* y, int64_t n) {
  lanes(n, [&](int64_t i, int k) {
    uint16_t h[W]{};
    std::memcpy(h, x + i, size_t(k) * 2);
    store_lanes(y + i, widen(h), k);
  });
}

}  // namespace qlora::QLORA_SIMD
