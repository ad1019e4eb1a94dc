// gemm_plan.h: how a product y[rows, cols] = a[rows, depth] · b[depth, cols] is divided, and the loop over its blocks.
//
// The reduction is summed in chunks, whose length depends on rows and depth alone; each element of y is the sum over k
// in order within a chunk, then over the chunks in order. How rows and columns are divided changes no sum, so it may
// depend on the number of threads. The functions here belong in code compiled for any processor; gemm.h computes one
// block.
#pragma once
#include <algorithm>
#include <cstdint>

#include "pool.h"
#include "scratch.h"

namespace qlora {

struct Block {
  int64_t row, rows, col, cols;
  int64_t next_col = 0, next_cols = 0;  // of the block after this one, where they are others
};

// Reduction elements of a chunk at most and panels of b that are made at once, for few rows and for more. `shares` blocks for each
// thread are enough.
struct Blocking {
  static constexpr int64_t max_chunk = 384;  // of f32 products
  int64_t chunk = max_chunk, few_chunk = 128, panels = 4, few_panels = 1, shares = 4;
};

struct GemmPlan {
  static constexpr int64_t panel = 48;    // columns: a multiple of every instruction set's tile width
  static constexpr int64_t part = 16;     // columns: the parts of panels, where these would be too few
  static constexpr int64_t tile = 8;      // rows
  static constexpr int64_t few_rows = 48; // up to here the panels of b are few and stay in L1, beyond it four in L2
  static constexpr double serial = 1e6;   // operations below which a second thread costs more than it gives

  int64_t rows, depth, cols;
  int64_t chunk;                   // reduction elements per chunk, a multiple of 64
  int64_t row_blocks, col_blocks;  // blocks in each direction
  int64_t unit;                    // blocks begin at multiples of so many columns
  int64_t max_rows, max_cols;      // of a block, rounded up to whole tiles and panels
  bool parallel;

  GemmPlan(int64_t rows, int64_t depth, int64_t cols, Blocking most = {})
      : rows(rows), depth(depth), cols(cols) {
    const bool few = rows <= few_rows;
    const int64_t chunks = std::max<int64_t>(1, ceil(depth, few ? most.few_chunk : most.chunk));
    chunk = std::max<int64_t>(64, ceil(ceil(depth, chunks), 64) * 64);
    parallel = 2.0 * double(rows) * double(depth) * double(cols) > serial && Pool::instance().threads() > 1;
    const int64_t threads = parallel ? Pool::instance().threads() : 1;
    const int64_t tiles = ceil(rows, tile);
    int64_t width = (few ? most.few_panels : most.panels) * panel, block_tiles = 64;
    while (threads > 1 && ceil(cols, width) * ceil(tiles, block_tiles) < most.shares * threads) {
      if (width > 2 * panel) width = ceil(width / panel, 2) * panel;
      else if (block_tiles > 16) block_tiles /= 2;
      else if (width > 4 * part) width = 4 * part;
      else if (block_tiles > 8) block_tiles /= 2;
      else if (width > 2 * part) width = 2 * part;
      else if (block_tiles > 1) block_tiles /= 2;
      else if (width > part) width = part;
      else break;
    }
    unit = width % panel ? part : panel;
    row_blocks = std::max<int64_t>(1, ceil(tiles, block_tiles));
    col_blocks = std::max<int64_t>(1, ceil(cols, width));
    const int64_t units = ceil(cols, unit);
    if (col_blocks > threads) col_blocks = std::min(units, ceil(col_blocks, threads) * threads);  // even shares
    max_rows = ceil(tiles, row_blocks) * tile;
    max_cols = ceil(units, col_blocks) * unit;
  }

  int64_t blocks() const { return row_blocks * col_blocks; }

  Block block(int64_t i) const {
    const int64_t r = i / col_blocks, c = i % col_blocks, tiles = ceil(rows, tile), units = ceil(cols, unit);
    const int64_t row = tiles * r / row_blocks * tile, row_end = std::min(rows, tiles * (r + 1) / row_blocks * tile);
    const int64_t col = units * c / col_blocks * unit, col_end = std::min(cols, units * (c + 1) / col_blocks * unit);
    return {row, row_end - row, col, col_end - col};
  }

  // Floats of working memory per thread: panels of b, partial sums, packed rows of a.
  int64_t scratch_floats() const { return max_cols * chunk + max_rows * max_cols + max_rows * chunk; }

  // compute(block, scratch) for every block.
  template <class F>
  void run(F&& compute) const {
    const auto one = [&](int64_t i) {
      Block at = block(i);
      if (col_blocks > 1 && i + 1 < blocks()) {
        const Block next = block(i + 1);
        at.next_col = next.col, at.next_cols = next.cols;
      }
      compute(at, scratch<float>(scratch_floats()));
    };
    parallel_if(parallel, blocks(), one);
  }

  static constexpr int64_t ceil(int64_t a, int64_t b) { return (a + b - 1) / b; }
};

}  // namespace qlora
