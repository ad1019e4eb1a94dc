// codes.h: 4-bit codes to floats: a 16-entry table in registers, W look-ups at a time.
#pragma once
#include "products.h"
#include "qlora/vec.h"
#if defined(__AVX512F__)
#include "nested_avx512.h"
#endif

namespace qlora::QLORA_SIMD {

#if defined(__AVX512F__)
// A table of 16 floats; only the low 4 bits of an index count.
struct Table16 {
  vf t;
  vf operator[](vi i) const { return (vf)_mm512_permutexvar_ps((__m512i)i, (__m512)t); }
};
inline Table16 table16(const float* p, float scale, float shift, bool shifted) {
  const vf t = load(p) * scale;
  return {shifted ? t + shift : t};
}
// Lane i: code i of the W that begin at a byte, in the low 4 bits.
inline vi unpack(const uint8_t* p) {
  int64_t q;
  std::memcpy(&q, p, 8);
  // bit offsets of the nibbles of a qword: 4 0, 12 8, … in the low byte of each dword
  const __m512i offsets = _mm512_setr_epi32(4, 0, 12, 8, 20, 16, 28, 24, 36, 32, 44, 40, 52, 48, 60, 56);
  return (vi)_mm512_multishift_epi64_epi8(offsets, _mm512_set1_epi64(q));
}
// The same for codes in tiles: 8 here, 8 in the next tile.
inline vi unpack_tiled(const uint8_t* p) {
  int32_t first, second;
  std::memcpy(&first, p, 4);
  std::memcpy(&second, p + tile_bytes, 4);
  const __m512i both = _mm512_mask_set1_epi32(_mm512_set1_epi32(first), 0xff00, second);
  return (vi)_mm512_srlv_epi32(both, _mm512_setr_epi32(4, 0, 12, 8, 20, 16, 28, 24, 4, 0, 12, 8, 20, 16, 28, 24));
}
#elif defined(__AVX2__)
struct Table16 {
  vf low, high;
  vf operator[](vi i) const {
    const __m256 a = _mm256_permutevar8x32_ps((__m256)low, (__m256i)i);
    const __m256 b = _mm256_permutevar8x32_ps((__m256)high, (__m256i)i);
    return (vf)_mm256_blendv_ps(a, b, (__m256)(i << 28));
  }
};
inline Table16 table16(const float* p, float scale, float shift, bool shifted) {
  vf a = load(p) * scale, b = load(p + 8) * scale;
  if (shifted) a += shift, b += shift;
  return {a, b};
}
inline vi unpack(const uint8_t* p) {
  int32_t d;
  std::memcpy(&d, p, 4);
  return (vi)((vu{} + uint32_t(d)) >> vu{4, 0, 12, 8, 20, 16, 28, 24});
}
#elif defined(__ARM_NEON)
struct Table16 {
  uint8x16x4_t t;
  vf operator[](vi i) const {  // the four bytes of entry i
    return (vf)vqtbl4q_u8(t, (uint8x16_t)(((vu)i & 15u) * 0x04040404u + 0x03020100u));
  }
};
inline Table16 table16(const float* p, float scale, float shift, bool shifted) {
  Table16 table;
  for (int i = 0; i < 4; ++i) {
    const vf t = load(p + 4 * i) * scale;
    table.t.val[i] = (uint8x16_t)(shifted ? t + shift : t);
  }
  return table;
}
inline vi unpack(const uint8_t* p) { return vi{p[0] >> 4, p[0], p[1] >> 4, p[1]}; }
#else
struct Table16 {
  float t[16];
  vf operator[](vi i) const {
    vf v;
    for (int l = 0; l < W; ++l) v[l] = t[i[l] & 15];
    return v;
  }
};
inline Table16 table16(const float* p, float scale, float shift, bool shifted) {
  Table16 table;
  for (int i = 0; i < 16; ++i) table.t[i] = shifted ? p[i] * scale + shift : p[i] * scale;
  return table;
}
inline vi unpack(const uint8_t* p) { return vi{p[0] >> 4, p[0] & 15, p[1] >> 4, p[1] & 15}; }
#endif

#if !defined(__AVX512F__)
inline vi unpack_tiled(const uint8_t* p) { return unpack(p); }
#endif

// Where code [n, k] is in tiles.
inline const uint8_t* tile_at(const Weights4& w, int64_t n, int64_t k) {
  const int64_t tile = n / tile_rows * (w.k / tile_columns) + k / tile_columns;
  return w.codes + tile * tile_bytes + n % tile_rows * 4 + k % tile_columns / 2;
}

// The value of block b.
inline float block_value(const BlockValues& v, int64_t b) {
  return v.codes ? v.map[v.codes[b]] * v.absmax[b >> 8] + v.offset : v.absmax[b];
}

// The same in tiles: of row n and block b of that row, and of W rows from n.
inline float tile_value(const Weights4& w, const BlockValues& v, int64_t n, int64_t b) {
  const int64_t blocks = w.k / w.block, at = (n / 16 * blocks + b) * 16 + n % 16;
  if (!v.codes) return v.absmax[at];
  return v.map[v.codes[at]] * v.absmax[(n * blocks + b) >> 8] + v.offset;
}
inline vf tile_values(const Weights4& w, const BlockValues& v, int64_t n, int64_t b) {
  const int64_t blocks = w.k / w.block, at = (n / 16 * blocks + b) * 16 + n % 16;
  if (!v.codes) return load(v.absmax + at);
#if defined(__AVX512F__)
  return nested_values(v, v.codes + at, n * blocks + b, blocks);
#else
  vf values;
  for (int i = 0; i < W; ++i) values[i] = tile_value(w, v, n + i, b);
  return values;
#endif
}
inline Table16 tile_table(const Weights4& w, int64_t n, int64_t b) {
  const bool shifted = w.shift.absmax != nullptr;
  return table16(w.levels, tile_value(w, w.scale, n, b), shifted ? tile_value(w, w.shift, n, b) : 0.0f, shifted);
}

// out[i] = w[begin + i], i < count, of the flattened tensor.
inline void decode(const Weights4& w, int64_t begin, int64_t count, float* out) {
  const bool shifted = w.shift.absmax != nullptr;
  while (count > 0) {
    const int64_t b = begin / w.block, rest = (b + 1) * w.block - begin, n = rest < count ? rest : count;
    const float scale = block_value(w.scale, b), shift = shifted ? block_value(w.shift, b) : 0.0f;
    const auto one = [&](int64_t i) {
      const uint8_t byte = w.codes[i >> 1];
      const float v = w.levels[i & 1 ? byte & 15 : byte >> 4] * scale;
      return shifted ? v + shift : v;
    };
    int64_t i = 0;
    if (begin & 1) out[i] = one(begin), ++i;
    if (i + W <= n) {
      const Table16 table = table16(w.levels, scale, shift, shifted);
      for (; i + W <= n; i += W) store(out + i, table[unpack(w.codes + ((begin + i) >> 1))]);
    }
    for (; i < n; ++i) out[i] = one(begin + i);
    begin += n;
    out += n;
    count -= n;
  }
}

}  // namespace qlora::QLORA_SIMD
