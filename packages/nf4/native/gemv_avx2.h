// gemv_avx2.h: x·wᵀ for one or two rows of x by the tables of gemv_tables_avx2.h: 32 columns of y at once, and as many
// elements of x as the nearest cache holds the tables of. Sums of a group are exact; its total, rounded to f32, is
// scaled once.
#pragma once
#include <algorithm>

#include "gemv.h"
#include "gemv_tables_avx2.h"

namespace qlora::QLORA_SIMD {

inline constexpr int gemv_strip = 32;  // columns of y at once

// Codes of 8 elements of x for 32 rows of w, a dword a row, to pairs of elements, a byte a row. Rows of lanes: 0-3,
// 8-11, 16-19, 24-27 | 4-7, …
inline void spread_rows(__m256i a, __m256i b, __m256i c, __m256i d, __m256i* out) {
  a = group_bytes(a), b = group_bytes(b), c = group_bytes(c), d = group_bytes(d);
  const __m256i ab0 = _mm256_unpacklo_epi32(a, b), ab1 = _mm256_unpackhi_epi32(a, b);
  const __m256i cd0 = _mm256_unpacklo_epi32(c, d), cd1 = _mm256_unpackhi_epi32(c, d);
  _mm256_store_si256(out, _mm256_unpacklo_epi64(ab0, cd0));
  _mm256_store_si256(out + 1, _mm256_unpackhi_epi64(ab0, cd0));
  _mm256_store_si256(out + 2, _mm256_unpacklo_epi64(ab1, cd1));
  _mm256_store_si256(out + 3, _mm256_unpackhi_epi64(ab1, cd1));
}

// Σ of a group's products in units of s: 32 rows in order. Two 7-bit digits fit a byte, 32 such sums 16 bits.
[[gnu::noinline]] inline void sum_group(const __m256i* codes, int pairs, const uint8_t* tables, vf* out) {
  const __m256i upper = _mm256_set1_epi16(0x0100);
  __m256i all[4]{}, odd[4]{};  // of both bytes of a word, the upper one 256 times; of the upper one
  for (int i = 0; i < pairs; ++i, tables += 2 * table_bytes) {
    const __m256i v = _mm256_load_si256(codes + i);
    const __m256i first = high_nibbles(v), second = low_nibbles(v);
#pragma GCC unroll 4
    for (int d = 0; d < 4; ++d) {
      const __m256i t = _mm256_broadcastsi128_si256(_mm_load_si128((const __m128i*)tables + d));
      const __m256i u = _mm256_broadcastsi128_si256(_mm_load_si128((const __m128i*)tables + 4 + d));
      const __m256i sum = _mm256_add_epi8(_mm256_shuffle_epi8(t, first), _mm256_shuffle_epi8(u, second));
      all[d] = _mm256_add_epi16(all[d], sum);
      odd[d] = _mm256_add_epi16(odd[d], _mm256_maddubs_epi16(sum, upper));
      asm volatile("" : "+x"(all[d]), "+x"(odd[d]));  // or gcc keeps sums in memory
    }
  }
  const __m256i digits = _mm256_set1_epi32(128 << 16 | 1), offset = _mm256_set1_epi32(pairs << 14);
  vf sums[2][2];
#pragma GCC unroll 2
  for (int o = 0; o < 2; ++o) {
    __m256i w[4];
#pragma GCC unroll 4
    for (int d = 0; d < 4; ++d) w[d] = o ? odd[d] : _mm256_sub_epi16(all[d], _mm256_slli_epi16(odd[d], 8));
    const auto number = [&](__m256i d01, __m256i d23) {
      const __m256i lower = _mm256_madd_epi16(d01, digits);
      const __m256i higher = _mm256_sub_epi32(_mm256_madd_epi16(d23, digits), offset);
      return fma((vf)_mm256_cvtepi32_ps(higher), splat(16384.0f), (vf)_mm256_cvtepi32_ps(lower));
    };
    sums[o][0] = number(_mm256_unpacklo_epi16(w[0], w[1]), _mm256_unpacklo_epi16(w[2], w[3]));
    sums[o][1] = number(_mm256_unpackhi_epi16(w[0], w[1]), _mm256_unpackhi_epi16(w[2], w[3]));
  }
  for (int h = 0; h < 2; ++h) {
    out[2 * h] = (vf)_mm256_unpacklo_ps((__m256)sums[0][h], (__m256)sums[1][h]);
    out[2 * h + 1] = (vf)_mm256_unpackhi_ps((__m256)sums[0][h], (__m256)sums[1][h]);
  }
}

// Rows n … n + 32 of w and some elements of x, as sum_group wants them; rows from `rows` on may be any.
struct Strip {
  const Weights4& w;
  int64_t n, rows;
  int64_t blocks = w.k / w.block;
  int64_t row(int i) const { return n + (i < rows ? i : rows - 1); }

  // The codes of one group, and what follows `ahead` bytes later fetched.
  void codes(int64_t k, int64_t group, int64_t ahead, __m256i* out) const {
    if (w.tiled) {
      const uint8_t *p = tile_at(w, n, k), *q = tile_at(w, n + (rows > 16 ? 16 : 0), k);
      for (int64_t t = 0; t < group / 8; ++t, p += tile_bytes, q += tile_bytes, out += 4) {
        prefetch(p + ahead);
        prefetch(q + ahead);
        spread_rows(load_bytes(p), load_bytes(p + 32), load_bytes(q), load_bytes(q + 32), out);
      }
      return;
    }
    vf r[4][W];
    for (int i = 0; i < gemv_strip; ++i) {
      const uint8_t* p = w.codes + (row(i) * w.k + k) / 2;
      prefetch(p + ahead);
      const __m256i v = group == 64 ? load_bytes(p) : _mm256_castsi128_si256(_mm_loadu_si128((const __m128i*)p));
      r[i / W][i % W] = (vf)v;
    }
    for (auto& quarter : r) transpose(quarter);
    for (int64_t t = 0; t < group / 8; ++t, out += 4)
      spread_rows((__m256i)r[0][t], (__m256i)r[1][t], (__m256i)r[2][t], (__m256i)r[3][t], out);
  }

  // The scales of blocks begin … end: [2][end - begin][16 rows].
  void scales(int64_t begin, int64_t end, float* out) const {
    const BlockValues& v = w.scale;
    const int64_t count = end - begin;
    for (int h = 0; h < gemv_strip; h += 16, out += 16 * count) {
      const int64_t first = row(h) / 16 * blocks * 16 + begin * 16;  // in tiles
      if (!v.codes) {
        for (int i = 0; i < 16 && !w.tiled; ++i)
          for (int64_t b = 0; b < count; ++b) out[16 * b + i] = v.absmax[row(h + i) * blocks + begin + b];
        if (w.tiled) std::memcpy(out, v.absmax + first, size_t(count) * 64);
        continue;
      }
      if (w.tiled)
#pragma GCC unroll 16
        for (int64_t i = 0; i < 16 * count; ++i) out[i] = v.map[v.codes[first + i]];
      else
        for (int i = 0; i < 16; ++i)
          for (int64_t b = 0; b < count; ++b) out[16 * b + i] = v.map[v.codes[row(h + i) * blocks + begin + b]];
      alignas(32) float absmax[16];
      for (int64_t b = 0; b < count; ++b) {
        if (b == 0 || 256 % blocks)
          for (int i = 0; i < 16; ++i) absmax[i] = v.absmax[(row(h + i) * blocks + begin + b) >> 8];
        for (int i = 0; i < 16; i += W) store(out + 16 * b + i, load(out + 16 * b + i) * load(absmax + i) + v.offset);
      }
    }
  }
  // Those of tiles fetched.
  void fetch_scales(int64_t begin, int64_t end) const {
    const int64_t size = w.scale.codes ? 16 : 64;
    const char* values = w.scale.codes ? (const char*)w.scale.codes : (const char*)w.scale.absmax;
    for (int h = 0; h < gemv_strip; h += 16)
      for (int64_t at = begin * size; at < end * size + 63; at += 64)
        _mm_prefetch(values + row(h) / 16 * blocks * size + at, _MM_HINT_T0);
  }
};

// Columns begin … end of y; x from gemv_tables, row by row.
template <int M>
void gemv_of(const Product4& p, const float* x, int64_t begin, int64_t end) {
  const Weights4& w = p.w;
  const int64_t group = gemv_group(w), row = gemv_table * w.k;
  const int64_t next_chunk = gemv_chunk / 8 * (w.tiled ? tile_bytes : 4);
  for (int64_t k0 = 0; k0 < w.k; k0 += gemv_chunk) {
    const int64_t stop = std::min(w.k, k0 + gemv_chunk), b0 = k0 / w.block, b1 = (stop + w.block - 1) / w.block;
    for (int64_t n = begin; n < end; n += gemv_strip) {
      const Strip strip{w, n, std::min<int64_t>(gemv_strip, end - n)};
      // The next strip's codes, or the next chunk's.
      const int64_t ahead = n + gemv_strip < end ? gemv_strip * w.k / 2 : (begin - n) * w.k / 2 + next_chunk;
      alignas(64) float scales[gemv_chunk / 32 * gemv_strip];
      strip.scales(b0, b1, scales);
      if (w.tiled && n + gemv_strip < end)
        Strip{w, n + gemv_strip, std::min<int64_t>(gemv_strip, end - n - gemv_strip)}.fetch_scales(b0, b1);
      vf total[M][4]{};
      for (int64_t k = k0; k < stop; k += group) {
        alignas(32) __m256i codes[32];
        strip.codes(k, group, ahead, codes);
        const float* scale = scales + (k / w.block - b0) * 16;
#pragma GCC unroll 2
        for (int m = 0; m < M; ++m) {
          const float* tables = x + m * row;
          vf sum[4];
          sum_group(codes, int(group / 2), (const uint8_t*)(tables + 16 * k), sum);
          const float s = (tables + 16 * w.k)[k / group];
#pragma GCC unroll 4
          for (int i = 0; i < 4; ++i) {
            const float* values = scale + i % 2 * W + i / 2 * 16 * (b1 - b0);
            total[m][i] = fma(sum[i], load(values) * s, total[m][i]);
          }
        }
      }
      for (int m = 0; m < M; ++m)
        for (int i = 0; i * W < strip.rows; ++i) {
          float* const y = p.out + m * w.n + n + i * W;
          const int columns = int(std::min<int64_t>(W, strip.rows - i * W));
          const bool add = k0 > 0 || p.accumulate;
          if (columns == W) store(y, add ? load(y) + total[m][i] : total[m][i]);
          else store_part(y, add ? load_part(y, columns) + total[m][i] : total[m][i], columns);
        }
    }
  }
}

// For more rows the look-ups, which each row needs anew, cost more than multiplications.
inline void gemv_avx2(const Product4& p, const float* x, int64_t begin, int64_t end, float* scratch) {
  const auto run = p.m == 1 ? gemv_of<1> : gemv_of<2>;
  if (p.m <= gemv_table_rows) run(p, x, begin, end);
  else gemv_portable(p, x, begin, end, scratch);
}

}  // namespace qlora::QLORA_SIMD
