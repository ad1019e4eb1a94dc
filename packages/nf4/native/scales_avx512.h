// scales_avx512.h: the largest magnitudes of up to 16 blocks at once.
#pragma once
#pragma GCC diagnostic ignored "-Wuninitialized"  // gcc 12 warns inside its own avx512fintrin.h (bug 105593)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include "codec_block.h"

namespace qlora::avx512 {
namespace {

__m512 load16(const float* p) { return _mm512_loadu_ps(p); }
__m512 load16(const uint16_t* p) {  // bf16
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i*)p)), 16));
}

// Lane-wise extremes of one block's bits: of magnitudes, or of the bits as signed integers (the largest positive weight).
template <bool Magnitude>
__m512i extremes(const float* x, int64_t n) {
  const __m512i mask = _mm512_set1_epi32(0x7fffffff);
  __m512i most = _mm512_set1_epi32(Magnitude ? 0 : -1);
  for (int64_t i = 0; i < n; i += 16) {
    const __m512i bits = _mm512_loadu_si512(x + i);
    most = _mm512_max_epi32(most, Magnitude ? _mm512_and_si512(bits, mask) : bits);
  }
  return most;
}
template <bool Magnitude>
__m512i extremes(const uint16_t* x, int64_t n) {
  const __m512i mask = _mm512_set1_epi16(0x7fff);
  __m512i most = _mm512_set1_epi16(Magnitude ? 0 : -1);
  for (int64_t i = 0; i < n; i += 32) {
    const __m512i bits = _mm512_loadu_si512(x + i);
    most = _mm512_max_epi16(most, Magnitude ? _mm512_and_si512(bits, mask) : bits);
  }
  return _mm512_max_epi32(_mm512_slli_epi32(most, 16), _mm512_and_si512(most, _mm512_set1_epi32(int(0xffff0000))));
}

// Lane i of the result is the largest lane of m[i], as signed integers: a tree of shuffles, 15 maxima for 16 vectors.
__m512i reduce16(const __m512i* m) {
  __m512i a[8], b[4], c[2];
  for (int i = 0; i < 8; ++i)  // in each 128-bit lane: i, i+8, i, i+8
    a[i] = _mm512_max_epi32(_mm512_unpacklo_epi32(m[i], m[i + 8]), _mm512_unpackhi_epi32(m[i], m[i + 8]));
  for (int i = 0; i < 4; ++i)  // i, i+4, i+8, i+12
    b[i] = _mm512_max_epi32(_mm512_unpacklo_epi32(a[i], a[i + 4]), _mm512_unpackhi_epi32(a[i], a[i + 4]));
  for (int i = 0; i < 2; ++i)  // lanes b[i], b[i], b[i+2], b[i+2]
    c[i] = _mm512_max_epi32(_mm512_shuffle_i32x4(b[i], b[i + 2], 0x88), _mm512_shuffle_i32x4(b[i], b[i + 2], 0xdd));
  const __m512i d =  // lanes b[0], b[2], b[1], b[3]
      _mm512_max_epi32(_mm512_shuffle_i32x4(c[0], c[1], 0x88), _mm512_shuffle_i32x4(c[0], c[1], 0xdd));
  return _mm512_permutexvar_epi32(_mm512_setr_epi32(0, 8, 4, 12, 1, 9, 5, 13, 2, 10, 6, 14, 3, 11, 7, 15), d);
}

// The scales of `count` ≤ 16 blocks in lanes; zeros after.
template <class T>
__m512 batch_scales(const T* x, int count, int block, bool is_signed) {
  __m512i m[16], most, positive;
  for (int i = 0; i < 16; ++i) m[i] = i < count ? extremes<true>(x + int64_t(i) * block, block) : _mm512_setzero_si512();
  most = reduce16(m);
  if (!is_signed) return _mm512_castsi512_ps(most);
  for (int i = 0; i < 16; ++i) m[i] = i < count ? extremes<false>(x + int64_t(i) * block, block) : _mm512_setzero_si512();
  positive = reduce16(m);
  return _mm512_castsi512_ps(_mm512_mask_or_epi32(most, _mm512_cmpneq_epi32_mask(most, positive), most, _mm512_set1_epi32(INT32_MIN)));
}

}  // namespace
}  // namespace qlora::avx512
