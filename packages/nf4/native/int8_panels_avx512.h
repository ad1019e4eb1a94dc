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
  const vf levels = load(w.levels);
  for (int r = 0; r < int8_group; ++r) {
    const __m512i v = (__m512i)round_to_int(levels * (scales[r] * inverse));
    _mm_store_si128((__m128i*)(tables.low + 16 * r), _mm512_cvtepi32_epi8(v));
    _mm_store_si128((__m128i*)(tables.high + 16 * r), _mm512_cvtepi32_epi8(_mm512_srli_epi32(v, 8)));
  }
}

// 64 rows of 16 columns. `code` gives the codes of 4 rows, 8 bytes each: looked up in the tables of their rows and kept
// in 16 bits, [16 steps][columns 0-7, 8-15][4 rows][8], until each column's largest is known; then scaled, and rows
// brought to the bytes of a dword.
template <class F>
void fill_columns512(const RowTables& tables, const F& code, uint8_t* out, int64_t step, float* scales) {
  alignas(64) static constexpr auto order = [] {
    struct { uint8_t at[64]; } o{};
    for (int i = 0; i < 64; ++i) o.at[i] = uint8_t(i % 4 * 16 + i / 4);
    return o;
  }();
  __m512i words[16][2], most[2]{};
  for (int s = 0; s < 16; ++s) {
    const __m512i bytes = _mm512_cvtepu8_epi16(code(s));
    const __m512i nibbles = _mm512_or_si512(_mm512_srli_epi16(bytes, 4), _mm512_slli_epi16(bytes, 8));
    const __m512i index = _mm512_and_si512(nibbles, _mm512_set1_epi8(15));
    const __m512i low = _mm512_shuffle_epi8(load_bytes(tables.low + 64 * s), index);
    const __m512i high = _mm512_shuffle_epi8(load_bytes(tables.high + 64 * s), index);
    words[s][0] = _mm512_unpacklo_epi8(low, high);
    words[s][1] = _mm512_unpackhi_epi8(low, high);
    most[0] = _mm512_max_epi16(most[0], _mm512_abs_epi16(words[s][0]));
    most[1] = _mm512_max_epi16(most[1], _mm512_abs_epi16(words[s][1]));
  }
  __m512i factor[2];
  for (int h = 0; h < 2; ++h) {  // 8 columns: the largest of the four rows in each step
    __m512i m = _mm512_max_epi16(most[h], _mm512_shuffle_i64x2(most[h], most[h], 0x4e));
    m = _mm512_max_epi16(m, _mm512_shuffle_i64x2(m, m, 0xb1));
    const __m256 column = _mm256_cvtepi32_ps(_mm256_cvtepi16_epi32(_mm512_castsi512_si128(m)));
    const __m256 largest = _mm256_max_ps(column, _mm256_set1_ps(1));
    // The same quotient as in factor_to_int8: both numbers are whole and below 2^24, so rounding does not reach the
    // next one.
    const __m256 quotient = _mm256_div_ps(_mm256_set1_ps(factor_numerator), largest);
    const __m256i f = _mm256_min_epi32(_mm256_cvttps_epi32(quotient), _mm256_set1_epi32(32767));
    const __m256 part = _mm256_div_ps(_mm256_set1_ps(32768.0f), _mm256_cvtepi32_ps(f));
    _mm256_storeu_ps(scales + 8 * h, _mm256_mul_ps(_mm256_set1_ps(tables.scale), part));
    factor[h] = _mm512_broadcast_i32x4(_mm256_cvtepi32_epi16(f));
  }
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
  const int steps = int(std::min(int8_group, w.n - k0) + 3) / 4;  // rows after the last one have tables of zeros
  if (!w.tiled && col == tables.col) gather_codes(w, k0, tables, gathered);
  for (int c = 0; c < cols; c += 16) {
    if ((col + c) / w.block != tables.block) make_tables512(w, k0, (col + c) / w.block, tables);
    const uint8_t* tile = tile_at(w, k0, col + c);
    const uint8_t* rows = gathered + (col + c - tables.col) * 2;
    const auto tiled = [&](int s) {  // 4 bytes of 4 rows in one tile, 4 more in the next
      if (s >= steps) return _mm256_setzero_si256();
      const uint8_t* p = tile + s / 4 * (w.k * 8) + s % 4 * 16;
      const __m128i a = _mm_loadu_si128((const __m128i*)p), b = _mm_loadu_si128((const __m128i*)(p + tile_bytes));
      return _mm256_set_m128i(_mm_unpackhi_epi32(a, b), _mm_unpacklo_epi32(a, b));
    };
    const auto in_rows = [&](int s) {
      if (s >= steps) return _mm256_setzero_si256();
      return _mm256_loadu_si256((const __m256i*)(rows + s * units * 32));
    };
    uint8_t* const to = out.bytes + 4 * c;
    if (w.tiled) fill_columns512(tables, tiled, to, step, out.scales + c);
    else fill_columns512(tables, in_rows, to, step, out.scales + c);
  }
}

}  // namespace qlora::QLORA_SIMD
