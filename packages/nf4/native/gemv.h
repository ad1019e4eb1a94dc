// gemv.h: x·wᵀ for a few rows of x: weights are decoded into registers and never stored. A block's products are summed
// unscaled, then scaled once. Rows and tiles differ only in how far apart 8 codes of a row, and rows, are.
#pragma once
#include <algorithm>

#include "codes.h"

namespace qlora::QLORA_SIMD {

// M rows of x, R columns of y.
template <int M, int R>
void gemv_part(const Product4& p, int64_t n) {
  const Weights4& w = p.w;
  const Table16 table = table16(w.levels, 1, 0, false);
  const int64_t blocks = w.k / w.block, units = w.block / 8;
  const int64_t unit = w.tiled ? tile_bytes : 4, row = w.tiled ? 4 : w.k / 2;
  const uint8_t* codes = w.tiled ? tile_at(w, n, 0) : w.codes + n * row;
  const float* x = p.x;
  vf total[R][M]{};
  for (int64_t b = 0; b < blocks; ++b) {
    vf sum[R][M]{};
    for (int64_t u = 0; u < units; ++u, codes += unit)
#pragma GCC unroll 4
      for (int h = 0; h < 8; h += W, x += W) {
        vf v[M];
#pragma GCC unroll 4
        for (int m = 0; m < M; ++m) v[m] = load(x + m * w.k);
#pragma GCC unroll 4
        for (int r = 0; r < R; ++r) {
          const vf value = table[unpack(codes + r * row + h / 2)];
#pragma GCC unroll 4
          for (int m = 0; m < M; ++m) sum[r][m] = fma(value, v[m], sum[r][m]);
        }
      }
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) {
      const vf scale = splat(w.tiled ? tile_value(w, w.scale, n + r, b) : block_value(w.scale, (n + r) * blocks + b));
#pragma GCC unroll 4
      for (int m = 0; m < M; ++m) total[r][m] = fma(sum[r][m], scale, total[r][m]);
    }
  }
  for (int m = 0; m < M; ++m)
    for (int r = 0; r < R; ++r) {
      float* y = p.out + m * w.n + n + r;
      *y = (p.accumulate ? *y : 0.0f) + reduce_add(total[r][m]);
    }
}

template <int M>
void gemv_columns_of(const Product4& p, int64_t begin, int64_t end) {
  constexpr int R = M <= 2 ? 4 : 2;
  int64_t n = begin;
  for (; n + R <= end; n += R) gemv_part<M, R>(p, n);
  for (; n < end; ++n) gemv_part<M, 1>(p, n);
}

inline void gemv_portable(const Product4& p, const float*, int64_t begin, int64_t end, float*) {
  const auto run = p.m == 1   ? gemv_columns_of<1>
                   : p.m == 2 ? gemv_columns_of<2>
                   : p.m == 3 ? gemv_columns_of<3>
                              : gemv_columns_of<4>;
  run(p, begin, end);
}

}  // namespace qlora::QLORA_SIMD
