// products_kernels.h: panels of decoded weights for the blocked product of gemm.h, compiled once per instruction set.
#pragma once
#include "codes.h"
#include "qlora/gemm.h"

namespace qlora::QLORA_SIMD {

// Codes and scales of `rows` rows from `row`, `columns` columns from `column`.
inline Ahead ahead_rows(const Weights4& w, int64_t row, int64_t rows, int64_t column, int64_t columns) {
  const int64_t first = row * w.k + column;
  Ahead ahead{{{(const char*)w.codes + first / 2, w.k / 2, rows, columns / 2}}};
  const int64_t b = first / w.block, blocks = (columns + w.block - 1) / w.block;
  if (w.scale.codes) ahead.stretch[1] = {(const char*)(w.scale.codes + b), w.k / w.block, rows, blocks};
  else ahead.stretch[1] = {(const char*)(w.scale.absmax + b), w.k / w.block * 4, rows, blocks * 4};
  return ahead;
}

// b[k, c] = w[k, c]: the rows of w are summed over.
struct NaturalCodes {
  const Weights4& w;
  Ahead ahead(int64_t k0, int64_t kc, int64_t col, int64_t cols) const { return ahead_rows(w, k0, kc, col, cols); }
  void fill(int64_t k0, int64_t kc, int64_t col, int cols, float* out) const {
    const int width = (cols + W - 1) / W * W;
    for (int64_t k = 0; k < kc; ++k, out += width) {
      for (int c = cols; c < width; ++c) out[c] = 0;
      decode(w, (k0 + k) * w.k + col, cols, out);
    }
  }
};

// b[k, c] = w[c, k]: the columns of w are summed over. Rows are decoded in order, W at a time, then transposed.
struct TransposedCodes {
  const Weights4& w;
  Ahead ahead(int64_t k0, int64_t kc, int64_t col, int64_t cols) const { return ahead_rows(w, col, cols, k0, kc); }
  void fill(int64_t k0, int64_t kc, int64_t col, int cols, float* out) const {
    constexpr int64_t stride = Blocking::max_chunk + W;
    alignas(64) float rows[W * stride];
    const int64_t width = (cols + W - 1) / W * W;
    for (int c = 0; c < cols; c += W) {
      const int n = W < cols - c ? W : cols - c;
      for (int i = 0; i < n; ++i) decode(w, (col + c + i) * w.k + k0, kc, rows + i * stride);
      transpose_rows(rows, stride, n, kc, out + c, width);
    }
  }
};

// The same in tiles: whole tiles, and the values of their blocks.
inline Ahead ahead_tiles(const Weights4& w, int64_t row, int64_t rows, int64_t column, int64_t columns) {
  const int64_t b = column / w.block, blocks = w.k / w.block, size = w.scale.codes ? 1 : 4;
  const int64_t count = (column + columns - 1) / w.block - b + 1, groups = (rows + tile_rows - 1) / tile_rows;
  const char* values = w.scale.codes ? (const char*)w.scale.codes : (const char*)w.scale.absmax;
  return {{{(const char*)tile_at(w, row, column), w.k * 8, groups, columns * 8},
           {values + (row / 16 * blocks + b) * 16 * size, blocks * 16 * size, groups, count * 16 * size}}};
}

struct NaturalTiles {
  const Weights4& w;
  Ahead ahead(int64_t k0, int64_t kc, int64_t col, int64_t cols) const { return ahead_tiles(w, k0, kc, col, cols); }
  void fill(int64_t k0, int64_t kc, int64_t col, int cols, float* out) const {
    for (int64_t i = k0; i < k0 + kc; ++i) {
      int64_t block = -1;
      Table16 table{};
      for (int c = 0; c < cols; c += W, out += W) {
        if ((col + c) / w.block != block) block = (col + c) / w.block, table = tile_table(w, i, block);
        store(out, table[unpack_tiled(tile_at(w, i, col + c))]);
      }
    }
  }
};

struct TransposedTiles {
  const Weights4& w;
  Ahead ahead(int64_t k0, int64_t kc, int64_t col, int64_t cols) const { return ahead_tiles(w, col, cols, k0, kc); }
  void fill(int64_t k0, int64_t kc, int64_t col, int cols, float* out) const {
    const bool shifted = w.shift.absmax != nullptr;
    const Table16 table = table16(w.levels, 1, 0, false);
    for (int c = 0; c < cols; c += W)
      for (int64_t k = k0; k < k0 + kc; k += W) {
        const vf scale = tile_values(w, w.scale, col + c, k / w.block);
        const vf shift = shifted ? tile_values(w, w.shift, col + c, k / w.block) : vf{};
        vf r[W];
        for (int i = 0; i < W; ++i) r[i] = table[unpack_tiled(tile_at(w, col + c + i, k))];
        transpose(r);
        for (int i = 0; i < W; ++i) store(out + (k - k0 + i) * cols + c, shifted ? r[i] * scale + shift : r[i] * scale);
      }
  }
};

// The panels of one instruction set.
struct Panels {
  using Natural = NaturalCodes;
  using Transposed = TransposedCodes;
  using TiledNatural = NaturalTiles;
  using TiledTransposed = TransposedTiles;
};

// f(panel) with the panel that fits direction and layout.
template <class P, class F>
void with_panel(const Product4& p, const F& f) {
  if (p.w.tiled) {
    if (p.transposed) f(typename P::TiledNatural{p.w});
    else f(typename P::TiledTransposed{p.w});
  } else {
    if (p.transposed) f(typename P::Natural{p.w});
    else f(typename P::Transposed{p.w});
  }
}

template <class P>
void product_block(const Product4& p, const GemmPlan& plan, const Block& block, float* scratch) {
  const Left left{p.x, plan.depth, false};
  const Target out{p.out, plan.cols, 1.0f, p.accumulate};
  with_panel<P>(p, [&](const auto& panel) { gemm_block(plan, block, left, panel, out, scratch); });
}

}  // namespace qlora::QLORA_SIMD
