// decode.h: 4-bit codes to weights, in kernels.
#pragma once
#include "device.h"
#include "qlora/cuda/kernel.h"

namespace qlora::nf4 {

// f32 operations that are not fused: the bits of the CPU.
__device__ inline float unnest(float level, float absmax, float offset) { return __fadd_rn(__fmul_rn(level, absmax), offset); }

// The value of block b.
__device__ inline float value(const DeviceValues& v, int64_t b) {
  return v.codes ? unnest(v.map[v.codes[b]], v.absmax[b >> 8], v.offset) : v.absmax[b];
}

__device__ inline float weight(float level, float scale) { return __fmul_rn(level, scale); }
__device__ inline float weight(float level, float scale, float shift) { return __fadd_rn(__fmul_rn(level, scale), shift); }

// The sixteen weights of a block in bf16, in registers, low and high bytes apart: four look-ups are six byte permutations.
struct Table {
  uint32_t low[4], high[4];

  __device__ Table(const float (&levels)[16], float scale, float shift, bool shifted) {
    uint32_t pairs[8];
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      const float first = weight(levels[2 * i], scale), second = weight(levels[2 * i + 1], scale);
      pairs[i] = shifted ? ptx::pack_bf16(__fadd_rn(first, shift), __fadd_rn(second, shift)) : ptx::pack_bf16(first, second);
    }
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      low[i] = __byte_perm(pairs[2 * i], pairs[2 * i + 1], 0x6420);
      high[i] = __byte_perm(pairs[2 * i], pairs[2 * i + 1], 0x7531);
    }
  }

  // Eight weights of four bytes of codes, in the order of the codes: the first in the high nibble of the lowest byte.
  __device__ uint4 operator[](uint32_t codes) const {
    uint4 out;
    four(codes, out.x, out.y);
    four(codes >> 16, out.z, out.w);
    return out;
  }

 private:
  // Nibble i of `codes` chooses byte i: by its low three bits among entries 0 to 7 and among 8 to 15, by its highest between these.
  __device__ static uint32_t choose(const uint32_t (&bytes)[4], uint32_t codes) {
    const uint32_t among = codes & 0x7777, between = (codes >> 1 & 0x4444) | 0x3210;
    return __byte_perm(__byte_perm(bytes[0], bytes[1], among), __byte_perm(bytes[2], bytes[3], among), between);
  }
  __device__ void four(uint32_t codes, uint32_t& first, uint32_t& second) const {
    const uint32_t l = choose(low, codes), h = choose(high, codes);
    first = __byte_perm(l, h, 0x4051);  // the high nibble of a byte comes first
    second = __byte_perm(l, h, 0x6273);
  }
};

}  // namespace qlora::nf4
