// reciprocal.h: from values to what is compared with midpoints, in kernels; the bits of codec_block.h.
#pragma once
#include "qlora/cuda/kernel.h"

namespace qlora::nf4 {

// 1/s, and 0 for s = 0. Where 1/s overflows, x and s are multiplied by `lift` = 2^64 first.
struct Reciprocal {
  float lift = 1, inverse = 0;
  __device__ explicit Reciprocal(float s) {
    if (s == 0) return;
    inverse = __fdiv_rn(1.0f, s);
    if ((__float_as_uint(inverse) & 0x7fffffffu) == 0x7f800000u) lift = 0x1p64f, inverse = __fdiv_rn(1.0f, s * lift);
  }
  __device__ float operator()(float x) const { return __fmul_rn(__fmul_rn(x, lift), inverse); }
};

}  // namespace qlora::nf4
