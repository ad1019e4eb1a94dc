// encode_avx2.h: from weights to codes with AVX2: the largest magnitudes of several blocks, then a binary search among
// the 15 pivots of the codebook, 8 weights at a time.
#pragma once
#include <algorithm>

#include "codec_portable.h"

namespace qlora::avx2 {
namespace {

// Weights whose scales are found before any is encoded, while the next ones come from memory.
inline constexpr int encode_batch = 2048;

inline int32_t reduce_max(__m256i v) {
  __m128i m = _mm_max_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
  m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0x4e));
  return _mm_cvtsi128_si32(_mm_max_epi32(m, _mm_shuffle_epi32(m, 0xb1)));
}

// The largest of n weights' bits (a multiple of 32): of their magnitudes, or as signed integers.
template <bool Magnitude>
int32_t extreme(const float* x, int64_t n) {
  const __m256i mask = _mm256_set1_epi32(Magnitude ? 0x7fffffff : -1);
  __m256i most[2] = {_mm256_set1_epi32(Magnitude ? 0 : -1), _mm256_set1_epi32(Magnitude ? 0 : -1)};
  for (int64_t i = 0; i < n; i += 16)
#pragma GCC unroll 2
    for (int j = 0; j < 2; ++j)
      most[j] = _mm256_max_epi32(most[j], _mm256_and_si256((__m256i)load(x + i + 8 * j), mask));
  return reduce_max(_mm256_max_epi32(most[0], most[1]));
}
template <bool Magnitude>
int32_t extreme(const uint16_t* x, int64_t n) {  // bf16
  const __m256i mask = _mm256_set1_epi16(Magnitude ? 0x7fff : -1);
  __m256i most = _mm256_set1_epi16(Magnitude ? 0 : -1);
  for (int64_t i = 0; i < n; i += 16)
    most = _mm256_max_epi16(most, _mm256_and_si256(_mm256_loadu_si256((const __m256i*)(x + i)), mask));
  const __m256i odd = _mm256_and_si256(most, _mm256_set1_epi32(int(0xffff0000)));
  return reduce_max(_mm256_max_epi32(_mm256_slli_epi32(most, 16), odd));
}

// The scale of a block, as `largest` of codec_portable.h gives it.
template <class T>
float block_largest(const T* x, int64_t n, bool is_signed) {
  int32_t bits = extreme<true>(x, n);
  if (is_signed && std::max(extreme<false>(x, n), 0) != bits) bits |= INT32_MIN;
  float scale;
  std::memcpy(&scale, &bits, 4);
  return scale;
}

// The number of pivots below each lane, as 0 … −15: each comparison, −1 where it holds, is the next bit of the index.
struct BySearch {
  __m256 first, second[2], third, fourth;
  __m256i order;
  explicit BySearch(const Codebook& c)
      : first(_mm256_set1_ps(c.pivot[7])), second{_mm256_set1_ps(c.pivot[3]), _mm256_set1_ps(c.pivot[11])},
        order(_mm256_broadcastsi128_si256(_mm_load_si128((const __m128i*)c.order))) {
    alignas(32) float t[8];
    for (int i = 0; i < 8; ++i) t[i] = c.pivot[4 * (-i & 3) + 1];
    third = _mm256_load_ps(t);
    for (int i = 0; i < 8; ++i) t[i] = c.pivot[2 * (-i & 7)];
    fourth = _mm256_load_ps(t);
  }
  __m256i index(__m256 v) const {
    const auto above = [&](__m256 pivot) { return _mm256_cmp_ps(v, pivot, _CMP_GT_OQ); };
    const auto next = [](__m256i i, __m256 bit) { return _mm256_add_epi32(_mm256_add_epi32(i, i), (__m256i)bit); };
    const __m256 upper = above(first);
    __m256i i = next((__m256i)upper, above(_mm256_blendv_ps(second[0], second[1], upper)));
    i = next(i, above(_mm256_permutevar_ps(third, i)));
    return next(i, above(_mm256_permutevar8x32_ps(fourth, i)));
  }
  // The codes of 32 weights.
  template <class T>
  void encode32(const T* x, __m256 inverse, uint8_t* codes) const {
    const auto at = [&](int i) { return index(_mm256_mul_ps((__m256)load_wide(x + i), inverse)); };
    const __m256i ab = _mm256_packs_epi32(at(0), at(8)), cd = _mm256_packs_epi32(at(16), at(24));
    const __m256i ranks = _mm256_sub_epi8(_mm256_setzero_si256(), _mm256_packs_epi16(ab, cd));
    // Per lane 4 weights of each of the four vectors; two codes a word, 16·even + odd.
    const __m256i pairs = _mm256_maddubs_epi16(_mm256_shuffle_epi8(order, ranks), _mm256_set1_epi16(0x0110));
    const __m128i bytes = _mm_packus_epi16(_mm256_castsi256_si128(pairs), _mm256_extracti128_si256(pairs, 1));
    const __m128i in_order = _mm_setr_epi8(0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15);
    _mm_storeu_si128((__m128i*)codes, _mm_shuffle_epi8(bytes, in_order));
  }
};

// The codes of whole blocks.
template <class T>
void encode_blocks(const T* x, int64_t n, int block, const Codebook& c, const BySearch& by, const float* scale,
                   uint8_t* codes) {
  for (int64_t i = 0; i < n; i += block) {
    const Reciprocal r(scale[i / block]);
    if (r.lift != 1) {
      block_codes(x + i, block, scale[i / block], c, codes + i / 2);
      continue;
    }
    for (int64_t j = i; j < i + block; j += 32) {
      for (int line = 0; line < int(32 * sizeof(T)); line += 64)
        _mm_prefetch((const char*)(x + j + encode_batch) + line, _MM_HINT_T0);
      by.encode32(x + j, _mm256_set1_ps(r.inverse), codes + j / 2);
    }
  }
}

template <class T>
void quantize_blocks(const T* x, int64_t n, int block, const Codebook& c, bool is_signed, float* scale,
                     uint8_t* codes) {
  const BySearch by(c);
  const int64_t whole = n / block * block, batch = std::max(1, encode_batch / block) * block;
  for (int64_t i = 0; i < whole; i += batch) {
    const int64_t length = std::min(batch, whole - i);
    for (int64_t j = i; j < i + length; j += block)
      scale[j / block] = block_largest(x + j, block, is_signed);
    encode_blocks(x + i, length, block, c, by, scale + i / block, codes + i / 2);
  }
  quantize_rest(x, whole, n, block, c, is_signed, scale, codes);
}

void quantize_search(const void* x, Type type, int64_t n, int block, const Codebook& c, bool is_signed, float* scale,
                     uint8_t* codes) {
  if (type == Type::f32) return quantize_blocks(static_cast<const float*>(x), n, block, c, is_signed, scale, codes);
  quantize_blocks(static_cast<const uint16_t*>(x), n, block, c, is_signed, scale, codes);
}

void encode_search(const float* x, int64_t n, int block, const Codebook& c, const float* scale, uint8_t* codes) {
  const int64_t whole = n / block * block;
  encode_blocks(x, whole, block, c, BySearch(c), scale, codes);
  if (whole < n) block_codes(x + whole, n - whole, scale[whole / block], c, codes + whole / 2);
}

}  // namespace
}  // namespace qlora::avx2
