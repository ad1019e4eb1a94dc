// norm.h: the sum of squares, in f64 and in one fixed order, and scaling in place (part of kernels_*.cc).
#pragma once
#include "qlora/vec.h"

namespace qlora::QLORA_SIMD {

// An f32 squared and summed in f64 cannot overflow (3.4e38² = 1.2e77): the sum is finite if and only if every x is.
inline double sum_squares(const float* x, int64_t n) {
  constexpr int H = W / 2;
  typedef float half __attribute__((vector_size(H * 4)));
  typedef double wide __attribute__((vector_size(H * 8)));
  wide sum[4] = {};
  int64_t i = 0;
  for (; i + 4 * H <= n; i += 4 * H)
    for (int k = 0; k < 4; ++k) {
      half v;
      std::memcpy(&v, x + i + k * H, sizeof v);
      const wide d = __builtin_convertvector(v, wide);
      sum[k] += d * d;
    }
  const wide total = (sum[0] + sum[1]) + (sum[2] + sum[3]);
  double result = 0;
  for (int k = 0; k < H; ++k) result += total[k];
  for (; i < n; ++i) result += double(x[i]) * x[i];
  return result;
}

inline void scale(float* x, float a, int64_t n) {
  int64_t i = 0;
  for (; i + W <= n; i += W) store(x + i, load(x + i) * a);
  for (; i < n; ++i) x[i] *= a;
}

}  // namespace qlora::QLORA_SIMD
