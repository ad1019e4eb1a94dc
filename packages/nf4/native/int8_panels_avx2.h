// int8_panels_avx2.h: int8_panels.h with AVX2: 32 codes a look-up (vpshufb).
#pragma once
#include "int8_panels.h"
#include "panels_avx2.h"

namespace qlora::QLORA_SIMD {

// 8 dwords of 8 codes to two steps: the high nibbles are the even elements.
inline void store_steps(__m256i v, __m256i table, uint8_t* out, int64_t step) {
  _mm256_storeu_si256((__m256i*)out, _mm256_shuffle_epi8(table, high_nibbles(v)));
  _mm256_storeu_si256((__m256i*)(out + step), _mm256_shuffle_epi8(table, low_nibbles(v)));
}

// The scales of block b of W rows; zeros after the last row.
inline vf row_values(const Weights4& w, int64_t n, int64_t b) {
  if (w.tiled) return n < w.n ? tile_values(w, w.scale, n, b) : vf{};
  vf values{};
  for (int i = 0; i < W && n + i < w.n; ++i) values[i] = block_value(w.scale, (n + i) * (w.k / w.block) + b);
  return values;
}

inline void fill_forward2(const Weights4& w, int64_t k0, int64_t col, int cols, const Group8& out) {
  alignas(16) uint8_t levels[16];
  forward_table(w, levels);
  const __m256i table = _mm256_broadcastsi128_si256(_mm_load_si128((const __m128i*)levels));
  const int64_t step = int64_t(out.width) * 4;
  for (int c = 0; c < cols; c += W) {
    uint8_t* o = out.bytes + 4 * c;
    if (w.tiled) {
      const uint8_t* p = tile_at(w, col + c, k0);
      for (int t = 0; t < 8; ++t, p += tile_bytes, o += 2 * step) store_steps(load_bytes(p), table, o, step);
    } else {
      vf r[W];
#pragma GCC unroll 8
      for (int i = 0; i < W; ++i)
        r[i] = c + i < cols ? (vf)load_bytes(w.codes + ((col + c + i) * w.k + k0) / 2) : vf{};
      transpose(r);
      for (int d = 0; d < W; ++d) store_steps((__m256i)r[d], table, o + 2 * d * step, step);
    }
    store(out.scales + c, row_values(w, col + c, k0 / w.block) / w.level_scale);
  }
}

inline void make_tables2(const Weights4& w, int64_t n, int64_t b, RowTables& tables) {
  alignas(32) float scales[int8_group];
  vf most{};
  for (int r = 0; r < int8_group; r += W) {
    const vf s = row_values(w, n + r, b);
    store(scales + r, s);
    most = max(most, abs(s));
  }
  const float bound = reduce_max(most) * w.level_max, inverse = bound > 0 ? 32767.0f / bound : 0.0f;
  tables.block = b;
  tables.scale = bound / 32767.0f;
  const vf low = load(w.levels), high = load(w.levels + W);
  for (int r = 0; r < int8_group; ++r) {
    const float scale = scales[r] * inverse;
    const __m256i pairs = _mm256_packs_epi32((__m256i)round_to_int(low * scale), (__m256i)round_to_int(high * scale));
    const __m256i words = _mm256_permute4x64_epi64(pairs, 0xd8);
    const __m256i lower = _mm256_and_si256(words, _mm256_set1_epi16(255)), upper = _mm256_srli_epi16(words, 8);
    const __m256i bytes = _mm256_permute4x64_epi64(_mm256_packus_epi16(lower, upper), 0xd8);
    _mm_store_si128((__m128i*)(tables.low + 16 * r), _mm256_castsi256_si128(bytes));
    _mm_store_si128((__m128i*)(tables.high + 16 * r), _mm256_extracti128_si256(bytes, 1));
  }
}

// 64 rows of 16 columns. `code` gives the codes of 2 rows, 8 bytes each: looked up in the tables of their rows and kept
// in 16 bits, [32 pairs of rows][columns 0-7, 8-15][2 rows][8], until each column's largest is known; then scaled, and
// rows brought to the bytes of a dword.
template <class F>
void fill_columns2(const RowTables& tables, const F& code, uint8_t* out, int64_t step, float* scales) {
  __m256i words[32][2], most[2]{};
  for (int p = 0; p < 32; ++p) {
    const __m256i bytes = _mm256_cvtepu8_epi16(code(p));
    const __m256i nibbles = _mm256_or_si256(_mm256_srli_epi16(bytes, 4), _mm256_slli_epi16(bytes, 8));
    const __m256i index = low_nibbles(nibbles);
    const __m256i low = _mm256_shuffle_epi8(load_bytes(tables.low + 32 * p), index);
    const __m256i high = _mm256_shuffle_epi8(load_bytes(tables.high + 32 * p), index);
    words[p][0] = _mm256_unpacklo_epi8(low, high);
    words[p][1] = _mm256_unpackhi_epi8(low, high);
    most[0] = _mm256_max_epi16(most[0], _mm256_abs_epi16(words[p][0]));
    most[1] = _mm256_max_epi16(most[1], _mm256_abs_epi16(words[p][1]));
  }
  __m256i factor[2];
  for (int h = 0; h < 2; ++h) {  // 8 columns
    const __m128i m = _mm_max_epi16(_mm256_castsi256_si128(most[h]), _mm256_extracti128_si256(most[h], 1));
    const vf largest = max((vf)_mm256_cvtepi32_ps(_mm256_cvtepi16_epi32(m)), splat(1));
    // The same quotient as in factor_to_int8: both numbers are whole and below 2^24, so rounding does not reach the
    // next one.
    const __m256i quotient = _mm256_cvttps_epi32((__m256)(splat(factor_numerator) / largest));
    const __m256i f = _mm256_min_epi32(quotient, _mm256_set1_epi32(32767));
    store(scales + W * h, tables.scale * (32768.0f / (vf)_mm256_cvtepi32_ps(f)));
    const __m256i twice = _mm256_packs_epi32(f, f);
    factor[h] = _mm256_broadcastsi128_si256(_mm256_castsi256_si128(_mm256_permute4x64_epi64(twice, 0xd8)));
  }
  const auto rows = [&](int p) {  // two rows of 16 bytes
    const __m256i a = _mm256_mulhrs_epi16(words[p][0], factor[0]), b = _mm256_mulhrs_epi16(words[p][1], factor[1]);
    return _mm256_xor_si256(_mm256_packs_epi16(a, b), _mm256_set1_epi8(-128));
  };
  for (int s = 0; s < 16; ++s, out += step) {
    const __m256i r01 = rows(2 * s), r23 = rows(2 * s + 1);
    const __m256i r02 = _mm256_permute2x128_si256(r01, r23, 0x20), r13 = _mm256_permute2x128_si256(r01, r23, 0x31);
    const __m256i low = _mm256_unpacklo_epi8(r02, r13), high = _mm256_unpackhi_epi8(r02, r13);  // columns 0-7, 8-15
    const __m256i x = _mm256_permute2x128_si256(low, high, 0x20), y = _mm256_permute2x128_si256(low, high, 0x31);
    const __m256i a = _mm256_unpacklo_epi16(x, y), b = _mm256_unpackhi_epi16(x, y);  // 0-3, 8-11; 4-7, 12-15
    _mm256_storeu_si256((__m256i*)out, _mm256_permute2x128_si256(a, b, 0x20));
    _mm256_storeu_si256((__m256i*)out + 1, _mm256_permute2x128_si256(a, b, 0x31));
  }
}

inline void fill_backward2(const Weights4& w, int64_t k0, int64_t col, int cols, RowTables& tables, const Group8& out) {
  alignas(64) static thread_local uint8_t gathered[int8_group * int8_columns / 2 + 32];
  const int64_t step = int64_t(out.width) * 4, units = (tables.cols + 15) / 16;
  const int pairs = int(std::min(int8_group, w.n - k0) + 1) / 2;  // rows after the last one have tables of zeros
  if (!w.tiled && col == tables.col) gather_codes(w, k0, tables, gathered);
  for (int c = 0; c < cols; c += 16) {
    if ((col + c) / w.block != tables.block) make_tables2(w, k0, (col + c) / w.block, tables);
    const uint8_t* tile = tile_at(w, k0, col + c);
    const uint8_t* rows = gathered + (col + c - tables.col) * 2;
    const auto tiled = [&](int p) {  // 4 bytes of 2 rows in one tile, 4 more in the next
      if (p >= pairs) return _mm_setzero_si128();
      const uint8_t* at = tile + p / 8 * (w.k * 8) + p % 8 * 8;
      const __m128i a = _mm_loadl_epi64((const __m128i*)at), b = _mm_loadl_epi64((const __m128i*)(at + tile_bytes));
      return _mm_unpacklo_epi32(a, b);
    };
    const auto in_rows = [&](int p) {
      if (p >= pairs) return _mm_setzero_si128();
      return _mm_loadu_si128((const __m128i*)(rows + p / 2 * units * 32 + p % 2 * 16));
    };
    uint8_t* const to = out.bytes + 4 * c;
    if (w.tiled) fill_columns2(tables, tiled, to, step, out.scales + c);
    else fill_columns2(tables, in_rows, to, step, out.scales + c);
  }
}

struct Groups2 {
  static constexpr auto forward = fill_forward2;
  static constexpr auto backward = fill_backward2;
};

}  // namespace qlora::QLORA_SIMD
