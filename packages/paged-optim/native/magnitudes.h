// magnitudes.h: the magnitudes behind the 8-bit codes (dynamic_map.h), in f32 with single-rounding fma, which gives
// bitsandbytes' values to the bit; for the CPU's tables and the GPU's.
#pragma once
#include <cmath>

#include "qlora/cuda/bf16.h"  // __host__ __device__ for compilers that do not have them

namespace qlora::optim {

// Decade i = 0 … 6 holds 2^i (signed) or 2^(i+1) magnitudes, after 0 and the decades before it; i = 7 holds 1 alone.
__host__ __device__ constexpr int first_of_decade(int i, bool is_signed) { return is_signed ? 1 << i : (2 << i) - 1; }
__host__ __device__ constexpr int last_magnitude(bool is_signed) { return first_of_decade(7, is_signed); }

// 10^(i − 6)
__host__ __device__ constexpr float scale_of_decade(int i) {
  return i == 6 ? 1 : i == 5 ? 1e-1f : i == 4 ? 1e-2f : i == 3 ? 1e-3f : i == 2 ? 1e-4f : i == 1 ? 1e-5f : 1e-6f;
}

// Point j of k equally spaced points from 0.1 to 1, as torch.linspace computes it: from the nearer end.
__host__ __device__ inline float point(int j, int k) {
  const float step = (1.0f - 0.1f) / float(k - 1);
  return j < k / 2 ? fmaf(step, float(j), 0.1f) : fmaf(-step, float(k - 1 - j), 1.0f);
}

__host__ __device__ inline float magnitude(int q, bool is_signed) {
  if (q == 0) return 0;
  if (q == last_magnitude(is_signed)) return 1;
  int i = 6;
  while (q < first_of_decade(i, is_signed)) --i;
  const int j = q - first_of_decade(i, is_signed), points = (is_signed ? 1 : 2) * (1 << i) + 1;
  return (point(j, points) + point(j + 1, points)) / 2 * scale_of_decade(i);
}

}  // namespace qlora::optim
