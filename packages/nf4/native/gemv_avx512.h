// gemv_avx512.h: x·wᵀ for a few rows of x: weights are decoded into registers and never stored, so that the products
// run as fast as the codes come from memory. A block's products are summed unscaled, then scaled once.
#pragma once
#include "panels_avx512.h"

namespace qlora::QLORA_SIMD {

// Bytes of codes that are fetched in advance: memory is far, and the page that follows in the stream may be elsewhere.
inline constexpr int64_t gemv_ahead = 8192;

// Partial sums per row of x, to keep enough fma in flight.
template <int M>
inline constexpr int gemv_sums = M == 1 ? 8 : M <= 3 ? 4 : 2;

inline vf add(const vf (&s)[2]) { return s[0] + s[1]; }
inline vf add(const vf (&s)[4]) { return (s[0] + s[1]) + (s[2] + s[3]); }
inline vf add(const vf (&s)[8]) { return ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7])); }

// Lane l, step i of 128 elements of x at x[8l + i], the order in which 16 dwords of codes come apart; zeros after k.
inline void permute_x(const float* x, int64_t k, float* out) {
  for (int64_t c = 0; c < k; c += 128)
    for (int64_t i = 0; i < 128; ++i) {
      const int64_t from = c + i % 16 * 8 + i / 16;
      out[c + i] = from < k ? x[from] : 0.0f;
    }
}

// absmax of 16 rows from n and block b of each; `same` where it holds for all blocks of these rows.
struct RowAbsmax {
  const float* absmax;
  int64_t blocks, first;
  bool same;
  vf values;
  RowAbsmax(const Weights4& w, int64_t n) : absmax(w.scale.absmax), blocks(w.k / w.block), first(n * blocks) {
    same = 256 % blocks == 0;
    values = absmax_of(absmax, first, blocks);
  }
  vf at(int64_t b) const { return same ? values : absmax_of(absmax, first + b, blocks); }
};

// Tiles: lane = column of y, elements of x broadcast.
template <int M, bool NESTED>
void gemv_tiles(const Product4& p, int64_t n) {
  constexpr int A = gemv_sums<M>;
  const Weights4& w = p.w;
  const __m512 table = _mm512_loadu_ps(w.levels);
  const int64_t blocks = w.k / w.block;
  const uint8_t* codes = tile_at(w, n, 0);
  const float* scales = w.scale.absmax + n * blocks;
  const RowAbsmax absmax(w, n);
  const float* x = p.x;
  vf total[M]{}, four[4]{};
  for (int64_t b = 0; b < blocks; ++b) {
    if (NESTED && b % 4 == 0) {
      const uint8_t* c = w.scale.codes + (n * blocks + 16 * b);
      _mm_prefetch((const char*)c + gemv_ahead / 8, _MM_HINT_T0);
      const uint64_t part = blocks - b < 4 ? (uint64_t(1) << (16 * (blocks - b))) - 1 : ~uint64_t(0);
      map_codes<4>(w.scale.planes, _mm512_maskz_loadu_epi8(part, c), four);
    }
    if (!NESTED) _mm_prefetch((const char*)(scales + 16 * b) + gemv_ahead / 8, _MM_HINT_T0);
    vf sum[M][A]{};
    for (int64_t t = 0; t < w.block / 8; t += 2, x += 16)
#pragma GCC unroll 2
      for (int half = 0; half < 2; ++half, codes += tile_bytes) {
        prefetch(codes + gemv_ahead);
        const __m512i v = load_codes(codes);
#pragma GCC unroll 8
        for (int i = 0; i < 8; ++i) {
          const vf value = (vf)_mm512_permutexvar_ps(_mm512_srli_epi32(v, 4 * (i ^ 1)), table);
#pragma GCC unroll 4
          for (int m = 0; m < M; ++m) sum[m][i % A] = fma(value, splat(x[m * w.k + 8 * half + i]), sum[m][i % A]);
        }
      }
    const vf scale = NESTED ? four[b % 4] * absmax.at(b) + w.scale.offset : load(scales + 16 * b);
#pragma GCC unroll 4
    for (int m = 0; m < M; ++m) {
      total[m] = fma(add(sum[m]), scale, total[m]);
    }
  }
  for (int m = 0; m < M; ++m) {
    float* y = p.out + m * w.n + n;
    store(y, p.accumulate ? load(y) + total[m] : total[m]);
  }
}

// The scales of up to 16 rows of weights in rows, where they are nested.
inline void expand(const Weights4& w, int64_t begin, int64_t end, float* out) {
  const BlockValues& v = w.scale;
  const int64_t blocks = w.k / w.block, stop = end * blocks;
  for (int64_t i = begin * blocks; i < stop; i += 64) {
    const int64_t n = std::min<int64_t>(64, stop - i);
    vf value[4];
    _mm_prefetch((const char*)v.codes + i + gemv_ahead / 8, _MM_HINT_T0);
    map_codes<4>(v.planes, _mm512_maskz_loadu_epi8(~uint64_t(0) >> (64 - n), v.codes + i), value);
    for (int j = 0; 16 * j < n; ++j, out += 16) {
      const vf values = value[j] * absmax_of(v.absmax, i + 16 * j, 1) + v.offset;
      if (n - 16 * j >= 16) store(out, values);
      else store_part(out, values, int(n - 16 * j));
    }
  }
}

// Rows: lanes along k, x permuted. R rows of w side by side, since x does not stay in the nearest cache.
template <int M, int R>
void gemv_row(const Product4& p, const float* permuted, const float* scales, int64_t n) {
  constexpr int A = M * R <= 4 ? 2 : 1;
  const Weights4& w = p.w;
  const __m512 table = _mm512_loadu_ps(w.levels);
  const int64_t padded = (w.k + gemv_step - 1) / gemv_step * gemv_step, blocks = w.k / w.block, row = w.k / 2;
  const int log2 = __builtin_ctzll(uint64_t(w.block)), step_log2 = log2 < 7 ? log2 : 7;
  const __m512i lane = _mm512_srl_epi32(
      _mm512_setr_epi32(0, 8, 16, 24, 32, 40, 48, 56, 64, 72, 80, 88, 96, 104, 112, 120), _mm_cvtsi32_si128(step_log2));
  const uint8_t* codes = w.codes + n * row;
  vf total[R][M]{};
  int64_t k = 0;
  const auto step = [&](__mmask16 dwords, __mmask16 values) {
    __m512i v[R];
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) {
      prefetch(codes + r * row + gemv_ahead);
      v[r] = _mm512_maskz_loadu_epi32(dwords, codes + r * row);
    }
    vf sum[R][M][A]{};
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) {
      vf value[R];
#pragma GCC unroll 4
      for (int r = 0; r < R; ++r) value[r] = (vf)_mm512_permutexvar_ps(_mm512_srli_epi32(v[r], 4 * (i ^ 1)), table);
#pragma GCC unroll 4
      for (int m = 0; m < M; ++m) {
        const vf x = load(permuted + m * padded + k + 16 * i);
#pragma GCC unroll 4
        for (int r = 0; r < R; ++r) sum[r][m][i % A] = fma(value[r], x, sum[r][m][i % A]);
      }
    }
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) {
      const float* s = scales + r * blocks + (k >> log2);
      _mm_prefetch((const char*)s + gemv_ahead / 8, _MM_HINT_T0);
      const vf scale = (vf)_mm512_permutexvar_ps(lane, _mm512_maskz_loadu_ps(values, s));
#pragma GCC unroll 4
      for (int m = 0; m < M; ++m)
        total[r][m] = fma(A == 1 ? sum[r][m][0] : sum[r][m][0] + sum[r][m][A - 1], scale, total[r][m]);
    }
  };
  const __mmask16 values = __mmask16((1u << (gemv_step >> step_log2)) - 1);
  for (; k + gemv_step <= w.k; k += gemv_step, codes += gemv_step / 2) step(0xffff, values);
  if (k < w.k) step(__mmask16((1u << ((w.k - k) / 8)) - 1), __mmask16((1u << ((w.k - k) >> step_log2)) - 1));
  for (int m = 0; m < M; ++m)
    for (int r = 0; r < R; ++r) {
      float* y = p.out + m * w.n + n + r;
      *y = (p.accumulate ? *y : 0.0f) + reduce_add(total[r][m]);
    }
}

// Columns n … n + 16, fewer at the end of y; working memory for their scales.
template <int M>
void gemv_16(const Product4& p, const float* permuted, int64_t n, int64_t columns, float* scratch) {
  const bool nested = p.w.scale.codes != nullptr;
  if (p.w.tiled) return (nested ? gemv_tiles<M, true> : gemv_tiles<M, false>)(p, n);
  const int64_t blocks = p.w.k / p.w.block;
  if (nested) expand(p.w, n, n + columns, scratch);
  const float* scales = nested ? scratch : p.w.scale.absmax + n * blocks;
  int64_t i = 0;
  for (; i + 4 <= columns; i += 4) gemv_row<M, 4>(p, permuted, scales + i * blocks, n + i);
  for (; i < columns; ++i) gemv_row<M, 1>(p, permuted, scales + i * blocks, n + i);
}

inline void gemv(const Product4& p, const float* permuted, int64_t begin, int64_t end, float* scratch) {
  const auto run = p.m == 1 ? gemv_16<1> : p.m == 2 ? gemv_16<2> : p.m == 3 ? gemv_16<3> : gemv_16<4>;
  for (int64_t n = begin; n < end; n += 16) run(p, permuted, n, std::min<int64_t>(16, end - n), scratch);
}

}  // namespace qlora::QLORA_SIMD
