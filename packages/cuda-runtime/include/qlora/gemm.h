// gemm.h: one block of a product y[rows, cols] (+)= alpha · a[rows, depth] · b[depth, cols], where b is whatever a
// Panel can make: dense weights, transposed ones, or 4-bit codes, decoded on the way into the panel.
//
// For each chunk of the reduction the block's panels of b are made once in working memory, then every tile of rows runs
// over them. Partial sums stay in working memory until the last chunk: y is touched once, whatever its row stride.
//
// A Panel has   void fill(int64_t k0, int64_t kc, int64_t col, int cols, float* out) const
// which writes out[k][⌈cols/W⌉·W] = b[k0 + k, col … col + cols), k < kc, zeros after the last column; cols ≤ NR, and
//   Ahead ahead(int64_t k0, int64_t kc, int64_t col, int64_t cols) const
// which names the memory that those will read, to be fetched while the tiles of the chunk before are computed, or of
// the block before.
#pragma once
#include <algorithm>

#include "gemm_panels.h"
#include "gemm_plan.h"
#include "gemm_tile.h"

namespace qlora::QLORA_SIMD {

// The left operand: element (m, k) at data[m·stride + k], or when across at data[m + k·stride].
struct Left {
  const float* data;
  int64_t stride;
  bool across;
};

struct Target {
  float* data;
  int64_t stride;
  float alpha;
  bool accumulate;
};

// The rows of a block in ⌈rows/MR⌉ nearly equal tiles.
struct RowTiles {
  int64_t rows, count = (rows + MR - 1) / MR;
  int64_t begin(int64_t i) const { return rows * i / count; }
};

// One tile of an `across` operand as [kc][m], so that the micro-kernel reads it in order: worth it where more panels read it than these.
constexpr int64_t few_readers = 8;
inline void pack_across(const float* a, int64_t stride, int64_t kc, int m, float* out) {
  if (m == MR)
    for (int64_t k = 0; k < kc; ++k, a += stride, out += MR) std::memcpy(out, a, MR * 4);
  else
    for (int64_t k = 0; k < kc; ++k, a += stride, out += m)
      for (int i = 0; i < m; ++i) out[i] = a[i];
}

// What is read after the chunk that ends before k: the next one, or the first of the next block.
template <class Panel>
Ahead ahead_of(const Panel& panel, const GemmPlan& plan, const Block& block, int64_t k) {
  const bool more = k < plan.depth;
  if (!more && block.next_cols == 0) return {};
  if (!more) k = 0;
  return panel.ahead(k, std::min(plan.chunk, plan.depth - k), more ? block.col : block.next_col, more ? block.cols : block.next_cols);
}

template <class Panel>
void gemm_block(const GemmPlan& plan, const Block& block, const Left& a, const Panel& panel, const Target& y,
                float* scratch) {
  float* const b = scratch;
  float* const sums = b + plan.max_cols * plan.chunk;
  float* const packed = sums + plan.max_rows * plan.max_cols;
  const int64_t width = (block.cols + W - 1) / W * W;
  const RowTiles row{block.rows};
  if (block.rows == 0 || block.cols == 0) return;
  int64_t k0 = 0;
  do {
    const int64_t kc = plan.chunk < plan.depth - k0 ? plan.chunk : plan.depth - k0;
    const bool last = k0 + kc == plan.depth;
    for (int64_t c = 0; c < block.cols; c += NR)
      panel.fill(k0, kc, block.col + c, int(NR < block.cols - c ? NR : block.cols - c), b + c * kc);
    Ahead ahead = ahead_of(panel, plan, block, k0 + kc);
    const int64_t share = GemmPlan::ceil(ahead.lines(), row.count * GemmPlan::ceil(block.cols, NR));
    for (int64_t i = 0; i < row.count; ++i) {
      const int64_t r = row.begin(i), y_row = block.row + r;
      const int m = int(row.begin(i + 1) - r);
      const float* left = a.data + (a.across ? k0 * a.stride + y_row : y_row * a.stride + k0);
      int64_t stride = a.stride;
      if (a.across && block.cols > few_readers * NR) {
        pack_across(left, stride, kc, m, packed);
        left = packed;
        stride = m;
      }
      for (int64_t c = 0; c < block.cols; c += NR) {
        ahead.fetch(share);
        const int columns = int(NR < block.cols - c ? NR : block.cols - c), v = (columns + W - 1) / W;
        float* const s = sums + r * width + c;
        const Sums out{k0 ? s : nullptr, last ? nullptr : s, width, y.data + y_row * y.stride + block.col + c,
                       y.stride, y.alpha, y.accumulate};
        (a.across ? tiles<true> : tiles<false>).at[m][v](kc, left, stride, b + c * kc, columns, out);
      }
    }
    k0 += kc;
  } while (k0 < plan.depth);
}

}  // namespace qlora::QLORA_SIMD
