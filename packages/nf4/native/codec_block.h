// codec_block.h: the codec's rule on one block of any length, plain C++; what the vector kernels fall back to for a ragged
// last block and for scales whose reciprocal overflows.
#pragma once
#include <cmath>
#include <cstring>

#include "codec.h"
#include "qlora/vec.h"

namespace qlora::QLORA_SIMD {
using nf4::Codebook, nf4::Type;

inline float element(const float* x, int64_t i) { return x[i]; }
inline float element(const uint16_t* x, int64_t i) {  // bf16
  const uint32_t bits = uint32_t(x[i]) << 16;
  float value;
  std::memcpy(&value, &bits, 4);
  return value;
}

// 1/s, and 0 for s = 0. Where 1/s overflows, x and s are multiplied by `lift` = 2^64 first.
struct Reciprocal {
  float lift, inverse;
  explicit Reciprocal(float s) : lift(1), inverse(s == 0 ? 0 : 1 / s) {
    if (std::isinf(inverse)) lift = 0x1p64f, inverse = 1 / (s * lift);
  }
};

inline int rank_of(float v, const Codebook& c) {
  int rank = 0;
  for (int j = 0; j < 15; ++j) rank += v > c.pivot[j];
  return rank;
}

// How many of 255 ascending pivots are below v.
inline uint8_t rank8(float v, const float* pivot) {
  int rank = 0;
  for (int step = 128; step; step /= 2) rank += step & -int(v > pivot[rank + step - 1]);
  return uint8_t(rank);
}

template <class T>
float block_scale(const T* x, int64_t n, bool is_signed) {
  uint32_t largest = 0;
  bool positive = true;  // of the weight that is largest; of ±a it is +a
  for (int64_t i = 0; i < n; ++i) {
    const float value = element(x, i);
    uint32_t bits;
    std::memcpy(&bits, &value, 4);
    const uint32_t magnitude = bits & 0x7fffffff;
    if (magnitude >= largest) positive = bits == magnitude || (magnitude == largest && positive), largest = magnitude;
  }
  if (is_signed && !positive) largest |= 0x80000000;
  float scale;
  std::memcpy(&scale, &largest, 4);
  return scale;
}

template <class T>
void block_codes(const T* x, int64_t n, float scale, const Codebook& c, uint8_t* codes) {
  const Reciprocal r(scale);
  auto code = [&](int64_t i) { return i < n ? c.order[rank_of(element(x, i) * r.lift * r.inverse, c)] : c.zero; };
  for (int64_t i = 0; i < n; i += 2) codes[i / 2] = uint8_t(code(i) << 4 | code(i + 1));
}

// Nearest, ties to even; NaN stays NaN. Without a branch, so that a table of 16 is a few vector instructions.
inline uint16_t to_bf16(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  const uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16, quiet = bits >> 16 | 0x40;
  return uint16_t((bits & 0x7fffffff) > 0x7f800000 ? quiet : rounded);
}

inline float from_f16(uint16_t h) {
  const uint32_t sign = uint32_t(h & 0x8000) << 16, exponent = h >> 10 & 31, fraction = h & 1023;
  const float magnitude = exponent == 31   ? (fraction ? NAN : INFINITY)
                          : exponent == 0 ? float(fraction) * 0x1p-24f
                                          : std::ldexp(float(1024 + fraction), int(exponent) - 25);
  uint32_t bits;
  std::memcpy(&bits, &magnitude, 4);
  bits |= sign;
  float value;
  std::memcpy(&value, &bits, 4);
  return value;
}

// What is left of a chunk after its whole blocks.
template <class T>
void quantize_rest(const T* x, int64_t begin, int64_t n, int block, const Codebook& c, bool is_signed, float* scale,
                   uint8_t* codes) {
  for (int64_t i = begin; i < n; i += block) {
    const int64_t length = n - i < block ? n - i : block;
    scale[i / block] = block_scale(x + i, length, is_signed);
    block_codes(x + i, length, scale[i / block], c, codes + i / 2);
  }
}

// The 16 values of a block: level·scale (+ shift).
inline void block_table(const float* level, float scale, const float* shift, float* table) {
  for (int j = 0; j < 16; ++j) table[j] = level[j] * scale;
  if (shift)
    for (int j = 0; j < 16; ++j) table[j] += *shift;
}

template <class T>
void look_up(const uint8_t* codes, const T* table, int64_t n, T* out) {
  for (int64_t i = 0; i + 1 < n; i += 2) {
    out[i] = table[codes[i / 2] >> 4];
    out[i + 1] = table[codes[i / 2] & 15];
  }
  if (n & 1) out[n - 1] = table[codes[n / 2] >> 4];
}

}  // namespace qlora::QLORA_SIMD
