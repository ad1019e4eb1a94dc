// bf16.h: the upper half of an f32. Widening is exact; rounding is to nearest even, NaN becomes 0x7fff as the GPU makes it.
// round_bf16, pack_bf16 and the matrix instructions are in ptx_cuda.h and ptx_emu.h.
#pragma once
#include <cstdint>
#include <cstring>

#if !defined(__CUDACC__) && !defined(__host__)
#define __host__
#define __device__
#endif

struct bf16 {
  uint16_t bits;
};

__host__ __device__ inline float widen_bits(uint32_t upper) {
  float value;
  memcpy(&value, &upper, 4);
  return value;
}
__host__ __device__ inline float widen(bf16 x) { return widen_bits(uint32_t(x.bits) << 16); }

// The halves of a register with two: element 0 lies in the low half.
__host__ __device__ inline float widen_low(uint32_t pair) { return widen_bits(pair << 16); }
__host__ __device__ inline float widen_high(uint32_t pair) { return widen_bits(pair & 0xffff0000u); }
