// int8_panels_avx512.h: int8_panels.h with AVX-512: 64 codes a look-up (vpshufb).
#pragma once
#include "int8_panels.h"
#include "panels_avx512.h"

namespace qlora::QLORA_SIMD {

// Dwords of 8 codes to two steps: the high nibbles are the even elements.
inline void store_steps(__m512i v, __m512i table, uint8_t* out, int64_t step) {
  const __m512i low = _mm512_set1_epi8(15);
  _mm512_storeu_si512(out, _mm512_shuffle_epi8(table, _mm512_and_si512(_mm512_srli_epi16(v, 4), low)));
  _mm512_storeu_si512(out + step, _mm512_shuffle_epi8(table, _mm512_and_si512(v, low)));
}

// The scales of block b of up to 16 rows of weights in rows; zeros after the last row.
inline vf row_values(const Weights4& w, int64_t n, int64_t b) {
  const int64_t blocks = w.k / w.block, first = n * blocks + b, rows = std::clamp<int64_t>(w.n - n, 0, 16);
  alignas(64) float values[16]{};
  if (!w.scale.codes) {
    for (int64_t i = 0; i < rows; ++i) values[i] = w.scale.absmax[first + i * blocks];
    return load(values);
  }
  alignas(16) uint8_t codes[16]{};
  for (int64_t i = 0; i < rows; ++i) codes[i] = w.scale.codes[first + i * blocks];
  if (rows == 16) return nested_values(w.scale, codes, first, blocks);
  for (int64_t i = 0; i < rows; ++i) values[i] = block_value(w.scale, first + i * blocks);
  return load(values);
}

inline void fill_forward512(const Weights4& w, int64_t k0, int64_t col, int cols, const Group8& out) {
  alignas(16) uint8_t levels[16];
  forward_table(w, levels);
  const __m512i table = _mm512_broadcast_i32x4(_mm_load_si128((const __m128i*)levels));
  const int64_t step = int64_t(out.width) * 4, b = k0 / w.block;
  for (int c = 0; c < cols; c += 16) {
    uint8_t* o = out.bytes + 4 * c;
    vf scale{};
    if (w.tiled) {
      const uint8_t* p = tile_at(w, col + c, k0);
      for (int t = 0; t < 8; ++t, p += tile_bytes, o += 2 * step) store_steps(load_bytes(p), table, o, step);
      scale = tile_values(w, w.scale, col + c, b);
    } else {
      const int rows = cols - c < 16 ? cols - c : 16;
      vf r[16];
      for (int i = 0; i < 16; ++i) {
        const uint8_t* p = w.codes + ((col + c + i) * w.k + k0) / 2;
        r[i] = i < rows ? (vf)_mm512_maskz_loadu_epi32(0xff, p) : vf{};
      }
      transpose(r);
      for (int d = 0; d < 8; ++d) store_steps((__m512i)r[d], table, o + 2 * d * step, step);
      scale = row_values(w, col + c, b);
    }
    store(out.scales + c, scale / w.level_scale);
  }
}

inline void make_tables512(const Weights4& w, int64_t n, int64_t b, RowTables& tables) {
  alignas(64) float scales[int8_group];
  vf most{};
  for (int r = 0; r < int8_group; r += 16) {
    vf s{};  // zeros after the last row
    if (!w.tiled) s = row_values(w, n + r, b);
    else if (n + r < w.n) s = tile_values(w, w.scale, n + r, b);
    store(scales + r, s);
    most = max(most, abs(s));
  }
  const float bound = _mm512_reduce_max_ps((__m512)most) * w.level_max, inverse = bound > 0 ? 32767.0f / bound : 0.0f;
  tables.block = b;
  tables.scale = bound / 32767.0f;
  // Four rows at a time. A sum with 1.5·2^23 has the integer in its low 16 bits; two rows share a vector, and byte i of
  // row r lies at 4i + 2r.
  alignas(64) static constexpr auto order = [] {
    struct { uint8_t at[64]; } o{};
    for (int i = 0; i < 64; ++i) o.at[i] = uint8_t(i / 32 * 64 + i % 16 * 4 + i / 16 % 2 * 2);
    return o;
  }();
  const __m512i low = load_bytes(order.at), high = _mm512_add_epi8(low, _mm512_set1_epi8(1));
  const vf levels = load(w.levels);
  const auto rounded = [&](int r) { return (__m512i)(levels * (scales[r] * inverse) + 12582912.0f); };
  const auto two = [&](int r) { return _mm512_mask_blend_epi16(0xaaaaaaaa, rounded(r), _mm512_slli_epi32(rounded(r + 1), 16)); };
  for (int r = 0; r < int8_group; r += 4) {
    const __m512i a = two(r), b = two(r + 2);
    _mm512_store_si512(tables.low + 16 * r, _mm512_permutex2var_epi8(a, low, b));
    _mm512_store_si512(tables.high + 16 * r, _mm512_permutex2var_epi8(a, high, b));
  }
}

// 64 rows of 16 columns. `codes` gives those of 16 rows, 4 rows of 8 bytes in a vector, every dword twice: looked up in
// the tables of their rows and kept in 16 bits, [16 steps][columns 0-7, 8-15][4 rows][8], until each column's largest is
// known; then scaled, and rows brought to the bytes of a dword.
template <class F>
void fill_columns512(const RowTables& tables, const F& codes, uint8_t* out, int64_t step, float* scales) {
  alignas(64) static constexpr auto order = [] {
    struct { uint8_t at[64]; } o{};
    for (int i = 0; i < 64; ++i) o.at[i] = uint8_t(i % 4 * 16 + i / 4);
    return o;
  }();
  const __m512i nibbles = _mm512_set1_epi64(0x181c1014080c0004);  // from these bits on
  __m512i words[16][2], most[2]{};
  for (int g = 0; g < 4; ++g) {
    __m512i code[4];
    codes(g, code);
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      const int s = 4 * g + i;
      const __m512i index = _mm512_and_si512(_mm512_multishift_epi64_epi8(nibbles, code[i]), _mm512_set1_epi8(15));
      const __m512i low = _mm512_shuffle_epi8(load_bytes(tables.low + 64 * s), index);
      const __m512i high = _mm512_shuffle_epi8(load_bytes(tables.high + 64 * s), index);
      words[s][0] = _mm512_unpacklo_epi8(low, high);
      words[s][1] = _mm512_unpackhi_epi8(low, high);
      most[0] = _mm512_max_epi16(most[0], _mm512_abs_epi16(words[s][0]));
      most[1] = _mm512_max_epi16(most[1], _mm512_abs_epi16(words[s][1]));
    }
  }
  __m128i largest[2];  // of 8 columns: of the four rows in each step
  for (int h = 0; h < 2; ++h) {
    __m512i m = _mm512_max_epi16(most[h], _mm512_shuffle_i64x2(most[h], most[h], 0x4e));
    m = _mm512_max_epi16(m, _mm512_shuffle_i64x2(m, m, 0xb1));
    largest[h] = _mm512_castsi512_si128(m);
  }
  // The same quotient as in factor_to_int8: both numbers are whole and below 2^24, so rounding does not reach the next one.
  const __m512 column = _mm512_cvtepi32_ps(_mm512_cvtepi16_epi32(_mm256_set_m128i(largest[1], largest[0])));
  const __m512 quotient = _mm512_div_ps(_mm512_set1_ps(factor_numerator), _mm512_max_ps(column, _mm512_set1_ps(1)));
  const __m512i f = _mm512_min_epi32(_mm512_cvttps_epi32(quotient), _mm512_set1_epi32(32767));
  const __m256i factors = _mm512_cvtepi32_epi16(f);
  const __m512i factor[2] = {_mm512_broadcast_i32x4(_mm256_castsi256_si128(factors)),
                             _mm512_broadcast_i32x4(_mm256_extracti128_si256(factors, 1))};
  store(scales, (vf)_mm512_div_ps(_mm512_set1_ps(32768.0f), _mm512_cvtepi32_ps(f)) * tables.scale);
  for (int s = 0; s < 16; ++s, out += step) {
    const __m512i a = _mm512_mulhrs_epi16(words[s][0], factor[0]), b = _mm512_mulhrs_epi16(words[s][1], factor[1]);
    const __m512i bytes = _mm512_xor_si512(_mm512_packs_epi16(a, b), _mm512_set1_epi8(-128));
    _mm512_storeu_si512(out, _mm512_permutexvar_epi8(load_bytes(order.at), bytes));
  }
}

inline void fill_backward512(const Weights4& w, int64_t k0, int64_t col, int cols, RowTables& tables,
                             const Group8& out) {
  alignas(64) static thread_local uint8_t gathered[int8_group * int8_columns / 2 + 32];
  const int64_t step = int64_t(out.width) * 4, units = (tables.cols + 15) / 16;
  // Rows after the last one have tables of zeros: whatever codes.
  const int steps = int(std::min(int8_group, w.n - k0) + 3) / 4, last = (steps - 1) / 4;
  if (!w.tiled && col == tables.col) gather_codes(w, k0, tables, gathered);
  const int64_t row_of_tiles = w.k * 8;
  const __m512i of_tiles = _mm512_setr_epi32(0, 0, 16, 16, 1, 1, 17, 17, 2, 2, 18, 18, 3, 3, 19, 19);
  const __m512i of_rows = _mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
  for (int c = 0; c < cols; c += 16) {
    if ((col + c) / w.block != tables.block) make_tables512(w, k0, (col + c) / w.block, tables);
    const uint8_t* tile = tile_at(w, k0, col + c);
    const uint8_t* rows = gathered + (col + c - tables.col) * 2;
    const auto tiled = [=](int g, __m512i* code) {  // 4 bytes of 16 rows in one tile, 4 more in the next
      const uint8_t* p = tile + std::min(g, last) * row_of_tiles;
      const __m512i a = load_bytes(p), b = load_bytes(p + tile_bytes);
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i)
        code[i] = _mm512_permutex2var_epi32(a, _mm512_add_epi32(of_tiles, _mm512_set1_epi32(4 * i)), b);
    };
    const auto in_rows = [=](int g, __m512i* code) {
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) {
        const uint8_t* p = rows + std::min(4 * g + i, steps - 1) * units * 32;
        code[i] = _mm512_permutexvar_epi32(of_rows, _mm512_castsi256_si512(_mm256_loadu_si256((const __m256i*)p)));
      }
    };
    uint8_t* const to = out.bytes + 4 * c;
    if (w.tiled) fill_columns512(tables, tiled, to, step, out.scales + c);
    else fill_columns512(tables, in_rows, to, step, out.scales + c);
  }
}

struct Groups512 {
  static constexpr auto forward = fill_forward512;
  static constexpr auto backward = fill_backward512;
};

}  // namespace qlora::QLORA_SIMD
