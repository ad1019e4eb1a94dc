// lookup.h: what blockwise.h needs of each instruction set: tables indexed by registers, codes out (part of
// kernels_*.cc).
#pragma once
#include "dynamic_map.h"
#include "qlora/vec.h"

namespace qlora::QLORA_SIMD {

typedef uint8_t vb __attribute__((vector_size(W)));

#if defined(__AVX512F__)
inline void store_codes(uint8_t* p, vi v) {
  const vb b = __builtin_convertvector(v, vb);
  std::memcpy(p, &b, sizeof b);
}
inline int32_t largest(vi v) { return _mm512_reduce_max_epi32((__m512i)v); }
inline bool any_above(vf x, vf t) { return _mm512_cmp_ps_mask((__m512)x, (__m512)t, _CMP_GT_OQ); }

// How many of the map's thresholds lie below x in [0, 1]: no binade has two, so the exponent says which to compare.
struct Level {
  explicit Level(const optim::DynamicMap& map) {
    for (int k = 0; k < 2; ++k) {
      base[k] = _mm512_load_si512(map.base + 16 * k);
      cut[k] = _mm512_load_ps(map.cut + 16 * k);
    }
  }
  vi operator()(vf x) const {
    const __m512i exponent = _mm512_sub_epi32(_mm512_srli_epi32((__m512i)x, 23), _mm512_set1_epi32(96)),
                  binade = _mm512_max_epi32(exponent, _mm512_setzero_si512()),
                  level = _mm512_permutex2var_epi32(base[0], binade, base[1]);
    const __mmask16 above = _mm512_cmp_ps_mask((__m512)x, _mm512_permutex2var_ps(cut[0], binade, cut[1]), _CMP_GT_OQ);
    return (vi)_mm512_mask_add_epi32(level, above, level, _mm512_set1_epi32(1));
  }
  __m512i base[2];
  __m512 cut[2];
};

// table[i], i < 8, from one register.
struct Lookup8 {
  explicit Lookup8(const float* table) : t(_mm512_castps256_ps512(_mm256_load_ps(table))) {}
  vf operator[](vi i) const { return (vf)_mm512_permutexvar_ps((__m512i)i, t); }
  __m512 t;
};

// x [64] = map.value[codes [64]]: the four bytes of a value are looked up by themselves, 64 at a time, and put
// together.
struct Decoder {
  explicit Decoder(const optim::DynamicMap& map) {
    for (int k = 0; k < 16; ++k) plane[k] = _mm512_load_si512(map.plane[0] + 64 * k);
  }
  void operator()(const uint8_t* codes, vf x[4]) const {
    // Interleaving works within quarters of a register: quarter q of it gets codes 4q … 4q + 3 of each 16.
    const __m512i order = _mm512_set_epi32(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0);
    const __m512i c = _mm512_permutexvar_epi32(order, _mm512_loadu_si512(codes));
    const __mmask64 upper = _mm512_movepi8_mask(c);
    __m512i byte[4];
    for (int k = 0; k < 4; ++k)
      byte[k] = _mm512_mask_blend_epi8(upper, _mm512_permutex2var_epi8(plane[4 * k], c, plane[4 * k + 1]),
                                       _mm512_permutex2var_epi8(plane[4 * k + 2], c, plane[4 * k + 3]));
    const __m512i low0 = _mm512_unpacklo_epi8(byte[0], byte[1]), high0 = _mm512_unpacklo_epi8(byte[2], byte[3]),
                  low1 = _mm512_unpackhi_epi8(byte[0], byte[1]), high1 = _mm512_unpackhi_epi8(byte[2], byte[3]);
    x[0] = (vf)_mm512_unpacklo_epi16(low0, high0);
    x[1] = (vf)_mm512_unpackhi_epi16(low0, high0);
    x[2] = (vf)_mm512_unpacklo_epi16(low1, high1);
    x[3] = (vf)_mm512_unpackhi_epi16(low1, high1);
  }
  __m512i plane[16];
};
#else
// How many of the map's thresholds lie below x.
struct Level {
  explicit Level(const optim::DynamicMap& map) {
    for (int k = 0; k < 7; ++k) threshold[k] = splat(map.threshold[k]);
  }
  vi operator()(vf x) const {
    vi level{};
    for (vf t : threshold) level -= x > t;
    return level;
  }
  vf threshold[7];
};
#if defined(__AVX2__)
inline int32_t largest(vi v) {
  __m128i m = _mm_max_epi32(_mm256_castsi256_si128((__m256i)v), _mm256_extracti128_si256((__m256i)v, 1));
  m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0x4e));
  return _mm_cvtsi128_si32(_mm_max_epi32(m, _mm_shuffle_epi32(m, 0xb1)));
}
inline void store_codes(uint8_t* p, vi v) {
  const __m256i first = _mm256_set1_epi32(0x0c080400);  // of each 128-bit half: bytes 0, 4, 8, 12
  const __m256i b = _mm256_shuffle_epi8((__m256i)v, first);
  _mm_storel_epi64((__m128i*)p, _mm_unpacklo_epi32(_mm256_castsi256_si128(b), _mm256_extracti128_si256(b, 1)));
}
inline bool any_above(vf x, vf t) { return _mm256_movemask_ps((__m256)(x > t)); }

struct Lookup8 {
  explicit Lookup8(const float* table) : t(_mm256_load_ps(table)) {}
  vf operator[](vi i) const { return (vf)_mm256_permutevar8x32_ps(t, (__m256i)i); }
  __m256 t;
};
#else
inline int32_t largest(vi v) {
  int32_t most = v[0];
  for (int k = 1; k < W; ++k) most = v[k] > most ? v[k] : most;
  return most;
}
inline void store_codes(uint8_t* p, vi v) {
  for (int k = 0; k < W; ++k) p[k] = uint8_t(v[k]);
}
inline bool any_above(vf x, vf t) {
  const vi v = x > t;
  return v[0] | v[1] | v[2] | v[3];
}

struct Lookup8 {
  explicit Lookup8(const float* table) : t(table) {}
  vf operator[](vi i) const { return vf{t[i[0]], t[i[1]], t[i[2]], t[i[3]]}; }
  const float* t;
};
#endif
// x [4·W] = map.value[codes [4·W]]
struct Decoder {
  explicit Decoder(const optim::DynamicMap& map) : value(map.value) {}
  void operator()(const uint8_t* codes, vf x[4]) const {
    float t[4 * W];
    for (int i = 0; i < 4 * W; ++i) t[i] = value[codes[i]];
    for (int k = 0; k < 4; ++k) x[k] = load(t + k * W);
  }
  const float* value;
};
#endif

}  // namespace qlora::QLORA_SIMD
