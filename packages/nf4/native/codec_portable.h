// codec_portable.h: the codec with vec.h alone. A kernel file adds how its instruction set looks codes up, as a type LookUp with
//   static void run(const uint8_t* codes, const Word* table, int64_t n, Word* out, bool stream)   for Word f32 and bf16,
// n a multiple of 32.
#pragma once
#include "qlora/simd.h"
#include "search.h"

namespace qlora::QLORA_SIMD {

inline vf load_wide(const float* x) { return load(x); }
inline vf load_wide(const uint16_t* x) { return widen(x); }

// The largest magnitude of n weights (a multiple of 32) as bits; compared as integers, so that NaN is above all.
template <class T>
float largest(const T* x, int64_t n, bool is_signed) {
  vi magnitude{}, raw = vi{} - 1;
  for (int64_t i = 0; i < n; i += W) {
    const vi bits = (vi)load_wide(x + i), m = bits & 0x7fffffff;
    magnitude = m > magnitude ? m : magnitude;
    raw = bits > raw ? bits : raw;
  }
  int32_t most = 0, positive = 0;
  for (int i = 0; i < W; ++i) {
    most = magnitude[i] > most ? magnitude[i] : most;
    positive = raw[i] > positive ? raw[i] : positive;
  }
  if (is_signed && positive != most) most |= INT32_MIN;
  float scale;
  std::memcpy(&scale, &most, 4);
  return scale;
}

// Codes of one block, n a multiple of 32.
template <class T>
void encode(const T* x, int64_t n, float scale, const Codebook& c, uint8_t* codes) {
  typedef uint8_t vb __attribute__((vector_size(W)));
  const Reciprocal r(scale);
  if (r.lift != 1) return block_codes(x, n, scale, c, codes);
  uint8_t ranks[32];
  for (int64_t i = 0; i < n; i += 32) {
    for (int j = 0; j < 32; j += W) {
      const vf v = load_wide(x + i + j) * r.inverse;
      vi rank{};
      for (int p = 0; p < 15; ++p) rank -= v > c.pivot[p];
      const vb bytes = __builtin_convertvector(rank, vb);
      std::memcpy(ranks + j, &bytes, sizeof bytes);
    }
    for (int j = 0; j < 16; ++j) codes[i / 2 + j] = uint8_t(ranks[2 * j] << 4 | ranks[2 * j + 1]);
  }
  if (!c.ordered)
    for (int64_t i = 0; i < n / 2; ++i) codes[i] = c.remap[codes[i]];
}

template <class T>
void quantize_chunk(const T* x, int64_t n, int block, const Codebook& c, bool is_signed, float* scale, uint8_t* codes) {
  const int64_t whole = n / block * block;
  for (int64_t i = 0; i < whole; i += block) {
    scale[i / block] = largest(x + i, block, is_signed);
    encode(x + i, block, scale[i / block], c, codes + i / 2);
  }
  quantize_rest(x, whole, n, block, c, is_signed, scale, codes);
}

inline void quantize_any(const void* x, Type type, int64_t n, int block, const Codebook& c, bool is_signed, float* scale,
                         uint8_t* codes) {
  if (type == Type::f32) return quantize_chunk(static_cast<const float*>(x), n, block, c, is_signed, scale, codes);
  quantize_chunk(static_cast<const uint16_t*>(x), n, block, c, is_signed, scale, codes);
}

inline void encode_chunk(const float* x, int64_t n, int block, const Codebook& c, const float* scale, uint8_t* codes) {
  const int64_t whole = n / block * block;
  for (int64_t i = 0; i < whole; i += block) encode(x + i, block, scale[i / block], c, codes + i / 2);
  if (whole < n) block_codes(x + whole, n - whole, scale[whole / block], c, codes + whole / 2);
}

inline void widen_any(const uint16_t* x, Type type, int64_t n, float* out) {
  if (type == Type::f16)
    for (int64_t i = 0; i < n; ++i) out[i] = from_f16(x[i]);
  else
    for (int64_t i = 0; i < n; ++i) out[i] = element(x, i);
}

inline void encode8(const float* x, int64_t n, float lift, float inverse, const float* pivot, uint8_t* codes) {
  for (int64_t i = 0; i < n; ++i) codes[i] = rank8(x[i] * lift * inverse, pivot);
}

// The table of a block in the words of the output.
inline void table_words(const float* values, float* table) { std::memcpy(table, values, 64); }
inline void table_words(const float* values, uint16_t* table) {  // to_bf16, W at a time
  for (int j = 0; j < 16; j += W) {
    const vu bits = (vu)load(values + j), rounded = (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16, quiet = bits >> 16 | 0x40u;
    const vh words = __builtin_convertvector((bits & 0x7fffffffu) > 0x7f800000u ? quiet : rounded, vh);
    std::memcpy(table + j, &words, sizeof words);
  }
}

template <class LookUp, class Word>
void dequantize_chunk(const uint8_t* codes, const float* level, int64_t n, int block, const float* scale,
                      const float* shift, Word* out, bool stream) {
  for (int64_t i = 0; i < n; i += block) {
    alignas(64) float values[16];
    block_table(level, scale[i / block], shift ? shift + i / block : nullptr, values);
    alignas(64) Word table[16];
    table_words(values, table);
    const int64_t length = n - i < block ? n - i : block, whole = length / 32 * 32;
    LookUp::run(codes + i / 2, table, whole, out + i, stream);
    look_up(codes + (i + whole) / 2, table, length - whole, out + i + whole);
  }
}

template <class LookUp>
void dequantize_any(const uint8_t* codes, const float* level, int64_t n, int block, const float* scale,
                           const float* shift, void* out, Type type, bool stream) {
  if (type == Type::f32) return dequantize_chunk<LookUp>(codes, level, n, block, scale, shift, static_cast<float*>(out), stream);
  dequantize_chunk<LookUp>(codes, level, n, block, scale, shift, static_cast<uint16_t*>(out), stream);
}

template <class LookUp>
constexpr nf4::Codec portable{quantize_any,
                              encode_chunk,
                              dequantize_any<LookUp>,
                              widen_any,
                              search_scales<ByComparison>,
                              search_shifts<ByComparison>,
                              guard_shifts<ByComparison>,
                              encode8};

}  // namespace qlora::QLORA_SIMD
