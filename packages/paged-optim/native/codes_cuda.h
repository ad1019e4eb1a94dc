// codes_cuda.h: 8-bit codes of a block of 256 elements by a warp (part of step.cu); blockwise.h is the CPU's.
#pragma once
#include "magnitudes.h"
#include "quads.h"

namespace qlora::cuda {

// The magnitudes of both maps and the midpoints between them, +inf after the last: [is_signed][q].
struct Maps {
  float magnitude[2][256], midpoint[2][256];
};

// By all 256 threads of a block, before it uses the maps.
__device__ inline void build(Maps& maps) {
  const int q = threadIdx.x;
  for (int is_signed = 0; is_signed < 2; ++is_signed) {
    const bool inside = q < optim::last_magnitude(is_signed);
    const float here = q <= optim::last_magnitude(is_signed) ? optim::magnitude(q, is_signed) : 0;
    maps.magnitude[is_signed][q] = here;
    maps.midpoint[is_signed][q] = inside ? (here + optim::magnitude(q + 1, is_signed)) * 0.5f : __int_as_float(0x7f800000);
  }
  __syncthreads();
}

template <bool is_signed>
__device__ inline void decode(const Maps& maps, const uint8_t (&codes)[8], float absmax, float (&x)[8]) {
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    const int c = codes[i];
    const float value = !is_signed ? maps.magnitude[0][c] : c < 127 ? -maps.magnitude[1][127 - c] : maps.magnitude[1][c - 127];
    x[i] = value * absmax;
  }
}

// The code nearest to x: how many midpoints lie below its size, so ties go towards zero. There is no −1: below zero the
// largest size is 127.
template <bool is_signed>
__device__ inline uint8_t nearest(const Maps& maps, float x) {
  const float size = __int_as_float(min(__float_as_int(x) & 0x7fffffff, 0x3f800000));  // x can be 1 + 1 ulp, or NaN
  int q = 0;
#pragma unroll
  for (int half = 128; half; half /= 2)
    if (size > maps.midpoint[is_signed][q + half - 1]) q += half;
  if (!is_signed) return uint8_t(q);
  return uint8_t(max(__float_as_int(x) < 0 ? 127 - q : 127 + q, 0));
}

// Returns the block's absmax. Infinite states count as the largest finite value, so that their block still decodes; an absmax
// below the normal numbers counts as zero: its reciprocal could overflow.
template <bool is_signed>
__device__ inline float encode(const Maps& maps, const float (&x)[8], uint8_t (&codes)[8]) {
  int most = 0;
#pragma unroll
  for (int i = 0; i < 8; ++i) most = max(most, __float_as_int(x[i]) & 0x7fffffff);
  most = min(__reduce_max_sync(~0u, most), 0x7f7fffff);
  const float absmax = most < 0x00800000 ? 0 : __int_as_float(most), inverse = absmax > 0 ? 1 / absmax : 0;
#pragma unroll
  for (int i = 0; i < 8; ++i) codes[i] = nearest<is_signed>(maps, x[i] * inverse);
  return absmax;
}

}  // namespace qlora::cuda
