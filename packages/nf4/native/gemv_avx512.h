// gemv_avx512.h: x·wᵀ for a few rows of x: weights are decoded into registers and never stored, so that the products run as
// fast as the codes come from memory. A block's products are summed unscaled, then scaled once.
#pragma once
#include "panels_avx512.h"

namespace qlora::QLORA_SIMD {

// Bytes of codes that are fetched in advance: memory is far, and the page that follows in the stream may be elsewhere.
inline constexpr int64_t gemv_ahead = 8192;

// Partial sums per row of x, to keep enough fma in flight.
template <int M>
inline constexpr int gemv_sums = M <= 2 ? 4 : 2;

// Lane l, step i of 128 elements of x at x[8l + i], the order in which 16 dwords of codes come apart; zeros after k.
inline void permute_x(const float* x, int64_t k, float* out) {
  for (int64_t c = 0; c < k; c += 128)
    for (int64_t i = 0; i < 128; ++i) {
      const int64_t from = c + i % 16 * 8 + i / 16;
      out[c + i] = from < k ? x[from] : 0.0f;
    }
}

// The scales of rows begin … end ≤ begin + 16 of w where they are nested, in the order in which they are stored.
inline void expand(const Weights4& w, int64_t begin, int64_t end, float* out) {
  const BlockValues& v = w.scale;
  const int64_t blocks = w.k / w.block, first = begin * blocks, count = (end - begin) * blocks;
  for (int64_t i = 0; i < count; i += 64) {
    const int64_t n = std::min<int64_t>(64, count - i);
    vf value[4];
    _mm_prefetch((const char*)v.codes + first + i + gemv_ahead / 8, _MM_HINT_T0);
    map_codes<4>(v.planes, _mm512_maskz_loadu_epi8(~uint64_t(0) >> (64 - n), v.codes + first + i), value);
    for (int j = 0; 16 * j < n; ++j, out += 16) {
      // In tiles, 16 codes are one block of each row; otherwise consecutive blocks.
      const vf absmax = w.tiled ? absmax_of(v.absmax, first + i / 16 + j, blocks) : absmax_of(v.absmax, first + i + 16 * j, 1);
      const vf values = value[j] * absmax + v.offset;
      if (n - 16 * j >= 16) store(out, values);
      else store_part(out, values, int(n - 16 * j));
    }
  }
}

// Tiles: lane = column of y, elements of x broadcast.
template <int M>
void gemv_tiles(const Product4& p, const float* scales, int64_t n) {
  constexpr int A = gemv_sums<M>;
  const Weights4& w = p.w;
  const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
  const __m512i odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));
  const __m512 table = _mm512_loadu_ps(w.levels);
  const uint8_t* codes = w.codes + n / 16 * (w.k * 8);
  const float* x = p.x;
  vf total[M]{};
  for (int64_t b = 0; b < w.k / w.block; ++b, scales += 16) {
    vf sum[M][A]{};
    _mm_prefetch((const char*)scales + gemv_ahead / 8, _MM_HINT_T0);
    for (int64_t t = 0; t < w.block / 16; ++t, codes += tile_bytes, x += 16) {
      _mm_prefetch((const char*)codes + gemv_ahead, _MM_HINT_T0);
      _mm_prefetch((const char*)codes + gemv_ahead + 64, _MM_HINT_T0);
      const __m512i low = load_bytes(codes), high = load_bytes(codes + 64);
#pragma GCC unroll 2
      for (int half = 0; half < 2; ++half) {
        const __m512i v = _mm512_permutex2var_epi32(low, half ? odd : even, high);
#pragma GCC unroll 8
        for (int i = 0; i < 8; ++i) {
          const vf value = (vf)_mm512_permutexvar_ps(_mm512_srli_epi32(v, 4 * (i ^ 1)), table);
#pragma GCC unroll 4
          for (int m = 0; m < M; ++m) sum[m][i % A] = fma(value, splat(x[m * w.k + 8 * half + i]), sum[m][i % A]);
        }
      }
    }
    const vf scale = load(scales);
#pragma GCC unroll 4
    for (int m = 0; m < M; ++m) {
      const vf s = A == 2 ? sum[m][0] + sum[m][1] : (sum[m][0] + sum[m][1]) + (sum[m][A - 2] + sum[m][A - 1]);
      total[m] = fma(s, scale, total[m]);
    }
  }
  for (int m = 0; m < M; ++m) {
    float* y = p.out + m * w.n + n;
    store(y, p.accumulate ? load(y) + total[m] : total[m]);
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
  const __m512i lane = _mm512_srl_epi32(_mm512_setr_epi32(0, 8, 16, 24, 32, 40, 48, 56, 64, 72, 80, 88, 96, 104, 112, 120),
                                        _mm_cvtsi32_si128(step_log2));
  const uint8_t* codes = w.codes + n * row;
  vf total[R][M]{};
  int64_t k = 0;
  const auto step = [&](__mmask16 dwords, __mmask16 values) {
    __m512i v[R];
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) {
      _mm_prefetch((const char*)codes + r * row + gemv_ahead, _MM_HINT_T0);
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

// Columns n … n + 16, fewer at the end of y.
template <int M>
void gemv_16(const Product4& p, const float* permuted, const float* scales, int64_t n, int64_t columns) {
  if (p.w.tiled) return gemv_tiles<M>(p, scales, n);
  const int64_t blocks = p.w.k / p.w.block;
  int64_t i = 0;
  for (; i + 4 <= columns; i += 4) gemv_row<M, 4>(p, permuted, scales + i * blocks, n + i);
  for (; i < columns; ++i) gemv_row<M, 1>(p, permuted, scales + i * blocks, n + i);
}

inline void gemv(const Product4& p, const float* permuted, int64_t begin, int64_t end, float* scratch) {
  const int64_t blocks = p.w.k / p.w.block;
  const auto run = p.m == 1 ? gemv_16<1> : p.m == 2 ? gemv_16<2> : p.m == 3 ? gemv_16<3> : gemv_16<4>;
  for (int64_t n = begin; n < end; n += 16) {
    const int64_t columns = std::min<int64_t>(16, end - n);
    if (p.w.scale.codes) expand(p.w, n, n + columns, scratch);
    run(p, permuted, p.w.scale.codes ? scratch : p.w.scale.absmax + n * blocks, n, columns);
  }
}

}  // namespace qlora::QLORA_SIMD
