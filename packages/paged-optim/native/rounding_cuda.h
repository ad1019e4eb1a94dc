// rounding_cuda.h: f32 to bf16 on a device, to nearest even or stochastically (part of step.cu); rounding.h is the CPU's and
// says which random bits an element gets.
#pragma once
#include "optim.h"
#include "quads.h"

namespace qlora::cuda {

__device__ inline uint16_t rounded(float x, uint32_t added) {
  const uint32_t bits = __float_as_uint(x);
  return uint16_t(((bits & 0x7fffffffu) > 0x7f800000u ? bits | 0x400000u : bits + added) >> 16);
}
__device__ inline uint16_t to_nearest(float x) { return rounded(x, 0x7fffu + (__float_as_uint(x) >> 16 & 1u)); }

// Philox4x32-10 (Salmon et al. 2011): 128 random bits per counter.
__device__ inline void philox(uint32_t (&c)[4], uint32_t k0, uint32_t k1) {
  for (int round = 0; round < 10; ++round, k0 += 0x9e3779b9u, k1 += 0xbb67ae85u) {
    const uint32_t high0 = __umulhi(c[0], 0xd2511f53u), low0 = c[0] * 0xd2511f53u;
    const uint32_t high1 = __umulhi(c[2], 0xcd9e8d57u), low1 = c[2] * 0xcd9e8d57u;
    c[0] = high1 ^ c[1] ^ k0;
    c[1] = low1;
    c[2] = high0 ^ c[3] ^ k1;
    c[3] = low0;
  }
}

// y = x, 256 elements of a warp, up with probability equal to the part cut off. `first` is the index of the warp's first
// element, a multiple of 256: its 32 counters are first / 8 … + 31, a lane each. bits [4, 32] is the warp's scratch.
__device__ inline void stochastic(const float (&x)[8], uint16_t (&y)[8], int64_t first, const optim::Random& random,
                                  uint32_t (&bits)[4][32]) {
  const int lane = threadIdx.x % 32;
  const uint64_t counter = uint64_t(first) / 8;
  uint32_t c[4] = {uint32_t(counter) + lane, uint32_t(counter >> 32), random.parameter, random.step};
  philox(c, random.key[0], random.key[1]);
  __syncwarp();  // others may still read the bits of the block before
  for (int k = 0; k < 4; ++k) bits[k][lane] = c[k];
  __syncwarp();
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    const int e = quad(i / 4) + i % 4, of_128 = e % 128;
    y[i] = rounded(x[i], bits[of_128 / 32][16 * (e / 128) + e % 16] >> (of_128 / 16 % 2 * 16) & 0xffffu);
  }
}

}  // namespace qlora::cuda
