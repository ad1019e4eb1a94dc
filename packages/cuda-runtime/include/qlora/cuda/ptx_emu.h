// ptx_emu.h: ptx_cuda.h for the emulator: the same names and contracts.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>

#include "emu_matrix.h"

namespace qlora::ptx {

using emu::At;

inline uint16_t round_bf16(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, 4);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return 0x7fff;
  return uint16_t((bits + 0x7fffu + (bits >> 16 & 1)) >> 16);
}
inline uint32_t pack_bf16(float low, float high) { return round_bf16(low) | uint32_t(round_bf16(high)) << 16; }

inline float exp2(float x) {
  const float result = std::exp2(x);
  return result < 0x1p-126f ? 0.0f : result;
}

template <int bytes = 16>
inline void copy_async(void* shared, const void* source, bool valid = true, At at = At::current()) {
  static_assert(bytes == 4 || bytes == 8 || bytes == 16);
  emu::copy_async(shared, source, bytes, valid ? bytes : 0, at);
}
inline void copy_commit() { emu::copy_commit(); }
template <int open>
inline void copy_wait() {
  emu::copy_wait(open);
}

template <int n>
inline void ldmatrix(uint32_t (&r)[n], const void* row, At at = At::current()) {
  emu::Ldmatrix load{r, row};
  emu::ldmatrix(load, n, false, at);
}
template <int n>
inline void ldmatrix_trans(uint32_t (&r)[n], const void* row, At at = At::current()) {
  emu::Ldmatrix load{r, row};
  emu::ldmatrix(load, n, true, at);
}
inline void mma_bf16(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1, At at = At::current()) {
  const uint32_t b[2] = {b0, b1};
  emu::Mma mma{a, b, d};
  emu::mma_bf16(mma, at);
}
inline void mma_s8(int (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1, At at = At::current()) {
  const uint32_t b[2] = {b0, b1};
  emu::Mma mma{a, b, d};
  emu::mma_s8(mma, at);
}

}  // namespace qlora::ptx
