// nested_avx512.h: double-quantised values with AVX-512: map[codes[b]] · absmax[b / 256] + offset, 16 or 64 at a time.
#pragma once
#include "products.h"
#include "qlora/vec.h"

namespace qlora::QLORA_SIMD {

// map[code] of 16·N codes, N = 1 or 4. Each byte of a float is looked up by itself: its 256 values are four registers,
// and an instruction looks up among 128.
template <int N>
inline void map_codes(const uint8_t* planes, __m512i codes, vf* out) {
  // The order that the unpacking below undoes: bytes 4j … 4j + 3 of 128-bit lane l are codes 16j + 4l … 16j + 4l + 3.
  alignas(64) static constexpr auto order = [] {
    struct { uint8_t at[64]; } o{};
    for (int i = 0; i < 64; ++i) o.at[i] = uint8_t(i % 16 / 4 * 16 + i / 16 * 4 + i % 4);
    return o;
  }();
  codes = _mm512_permutexvar_epi8(_mm512_load_si512(order.at), codes);
  const __mmask64 upper = _mm512_movepi8_mask(codes);
  __m512i b[4];
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    const uint8_t* t = planes + 256 * i;
    const __m512i low = _mm512_permutex2var_epi8(_mm512_load_si512(t), codes, _mm512_load_si512(t + 64));
    const __m512i high = _mm512_permutex2var_epi8(_mm512_load_si512(t + 128), codes, _mm512_load_si512(t + 192));
    b[i] = _mm512_mask_blend_epi8(upper, low, high);
  }
  const __m512i x = _mm512_unpacklo_epi8(b[0], b[1]), y = _mm512_unpacklo_epi8(b[2], b[3]);
  out[0] = (vf)_mm512_unpacklo_epi16(x, y);
  if constexpr (N == 4) {
    const __m512i z = _mm512_unpackhi_epi8(b[0], b[1]), w = _mm512_unpackhi_epi8(b[2], b[3]);
    out[1] = (vf)_mm512_unpackhi_epi16(x, y);
    out[2] = (vf)_mm512_unpacklo_epi16(z, w);
    out[3] = (vf)_mm512_unpackhi_epi16(z, w);
  }
}

// absmax[b / 256] of the 16 blocks b = first, first + step, …
inline vf absmax_of(const float* absmax, int64_t first, int64_t step) {
  const int64_t begin = first >> 8, count = ((first + 15 * step) >> 8) - begin + 1;
  if (count == 1) return splat(absmax[begin]);
  const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const __m512i away = _mm512_mullo_epi32(lane, _mm512_set1_epi32(int(step)));
  const __m512i index = _mm512_srli_epi32(_mm512_add_epi32(away, _mm512_set1_epi32(int(first & 255))), 8);
  if (count > 16) return (vf)_mm512_i32gather_ps(index, absmax + begin, 4);
  return (vf)_mm512_permutexvar_ps(index, _mm512_maskz_loadu_ps(__mmask16((1u << count) - 1), absmax + begin));
}

// The values of 16 blocks whose codes lie one after another.
inline vf nested_values(const BlockValues& v, const uint8_t* codes, int64_t first, int64_t step) {
  vf value;
  map_codes<1>(v.planes, _mm512_castsi128_si512(_mm_loadu_si128((const __m128i*)codes)), &value);
  return value * absmax_of(v.absmax, first, step) + v.offset;
}

}  // namespace qlora::QLORA_SIMD
