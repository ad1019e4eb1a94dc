// attention_tile.h: what attention and its backward are made of: a product of small matrices in registers, and the
// packing of rows and keys into tiles. Tiles live in scratch, padded to whole registers, so the products have no edges.
//
// A task's rows, (query, head of the group) pairs, come in tiles of ROWS and those in panels of PANEL; keys come in
// tiles of KEYS. A panel is kept both ways: [row][pad(head_dim)], and turned, [head_dim][PANEL], where a register holds
// W rows.
#pragma once
#include "exp2.h"
#include "kernels.h"
#include "lanes.h"
#include "transpose.h"

namespace qlora::QLORA_SIMD {

constexpr int64_t PANEL = 64, ROWS = 128, KEYS = 96, FEW = 2;

constexpr int64_t pad(int64_t n) { return (n + W - 1) / W * W; }

// The product's block in registers: I rows of J registers. 16 registers (SSE2, AVX2) hold 6 × 2 or 8 × 1 sums beside
// their operands, 32 (AVX-512, NEON) 6 × 4, 12 × 2 or 16 × 1.
#if defined(__AVX512F__) || defined(__ARM_NEON)
constexpr int columns_most = 4;
constexpr int rows_most(int registers) { return registers == 4 ? 6 : registers == 2 ? 12 : 16; }
#else
constexpr int columns_most = 2;
constexpr int rows_most(int registers) { return registers == 2 ? 6 : 8; }
#endif

template <int I, int J, bool add>
inline void product_block(float* c, int64_t ldc, const float* a, int64_t ai, int64_t ap, const float* b, int64_t ldb,
                          int64_t depth) {
  vf sum[I][J];
#pragma GCC unroll 16
  for (int i = 0; i < I; ++i)
#pragma GCC unroll 4
    for (int j = 0; j < J; ++j) sum[i][j] = add ? load(c + i * ldc + j * W) : vf{};
  for (int64_t p = 0; p < depth; ++p, a += ap, b += ldb) {
    vf right[J];
#pragma GCC unroll 4
    for (int j = 0; j < J; ++j) right[j] = load(b + j * W);
#pragma GCC unroll 16
    for (int i = 0; i < I; ++i) {
      const vf left = splat(a[i * ai]);
#pragma GCC unroll 4
      for (int j = 0; j < J; ++j) sum[i][j] = fma(left, right[j], sum[i][j]);
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < I; ++i)
#pragma GCC unroll 4
    for (int j = 0; j < J; ++j) store(c + i * ldc + j * W, sum[i][j]);
}

// J registers of columns: blocks of I rows while they last, then of half as many.
template <int I, int J, bool add>
inline void product_rows(float* c, int64_t ldc, const float* a, int64_t ai, int64_t ap, const float* b, int64_t ldb,
                         int64_t rows, int64_t depth) {
  for (; rows >= I; rows -= I, c += I * ldc, a += I * ai) product_block<I, J, add>(c, ldc, a, ai, ap, b, ldb, depth);
  if constexpr (I > 1)
    if (rows) product_rows<(I == 6 ? 4 : I == 12 ? 8 : I / 2), J, add>(c, ldc, a, ai, ap, b, ldb, rows, depth);
}

template <int J, bool add>
inline void product_columns(float* c, int64_t ldc, const float* a, int64_t ai, int64_t ap, const float* b, int64_t ldb,
                            int64_t rows, int64_t columns, int64_t depth) {
  for (; columns >= J * W; columns -= J * W, b += J * W, c += J * W)
    product_rows<rows_most(J), J, add>(c, ldc, a, ai, ap, b, ldb, rows, depth);
  if constexpr (J > 1) product_columns<J / 2, add>(c, ldc, a, ai, ap, b, ldb, rows, columns, depth);
}

// C [rows, columns] (+)= A·B with A's element (i, p) at a[i·ai + p·ap] and B [depth, columns]; columns a multiple of W.
template <bool add>
inline void product(float* c, int64_t ldc, const float* a, int64_t ai, int64_t ap, const float* b, int64_t ldb,
                    int64_t rows, int64_t columns, int64_t depth) {
  product_columns<columns_most, add>(c, ldc, a, ai, ap, b, ldb, rows, columns, depth);
}

// Token and head of a row as an index into [tokens, heads].
inline int64_t query_at(const Attention& call, const AttentionTask& task, int64_t row) {
  return (task.q_begin + row / task.group) * call.heads + task.head_begin + row % task.group;
}

inline float* lse_at(const Attention& call, const AttentionTask& task, int64_t row) {
  return call.lse + (task.head_begin + row % task.group) * call.tq + task.q_begin + row / task.group;
}

// Keys that a row sees: up to its query's own, the last query's own being the last key.
inline int64_t visible(const AttentionTask& task, int64_t row) {
  return std::max<int64_t>(0, row / task.group + 1 + task.keys - task.queries);
}

// The same of `rows` rows from `begin`, in lanes; 0 for those that pad the last register.
inline void visible_rows(const AttentionTask& task, int32_t* to, int64_t begin, int64_t rows) {
  for (int64_t r = 0; r < pad(rows); ++r) to[r] = r < rows ? int32_t(visible(task, begin + r)) : 0;
}

// n values times `factor`, zeros after them to pad(n).
inline void copy_row(const float* from, float* to, int64_t n, float factor) {
  lanes(n, [&](int64_t i, int k) { store(to + i, load_lanes(from + i, k) * factor); });
}

// Rows of a [tokens, heads, head_dim] array times `factor`, as [row][pad(head_dim)].
inline void pack_rows(const Attention& call, const AttentionTask& task, const float* x, float* to, int64_t begin,
                      int64_t rows, float factor) {
  const int64_t d = call.head_dim;
  for (int64_t r = 0; r < rows; ++r) copy_row(x + query_at(call, task, begin + r) * d, to + r * pad(d), d, factor);
}

// The same turned, as panels of [head_dim][PANEL]; zeros for the rows that pad the last register.
inline void pack_rows_turned(const Attention& call, const AttentionTask& task, const float* x, float* to, int64_t begin,
                             int64_t rows, float factor) {
  const int64_t d = call.head_dim;
  for (int64_t r = 0; r < rows; r += W) {
    const float* from[W];
    for (int j = 0; j < W; ++j) from[j] = x + query_at(call, task, begin + std::min(r + j, rows - 1)) * d;
    float* panel = to + r / PANEL * PANEL * d + r % PANEL;
    lanes(d, [&](int64_t i, int n) {
      vf block[W];
      for (int j = 0; j < W; ++j) block[j] = load_lanes(from[j] + i, n) * (r + j < rows ? factor : 0.0f);
      transpose(block);
      for (int j = 0; j < n; ++j) store(panel + (i + j) * PANEL, block[j]);
    });
  }
}

// Keys (or values) of one tile, `ld` apart.
struct KeyTile {
  const float* at;
  int64_t ld;
};

// Keys (or values) of the task's key head from `begin`: copied to [key][pad(head_dim)], or left where they are when so
// few rows read them that a copy would cost more than their distance.
inline KeyTile pack_keys(const Attention& call, const AttentionTask& task, const float* x, float* to, int64_t begin,
                         int64_t n, int64_t rows) {
  const int64_t d = call.head_dim, stride = call.kv_heads * d;
  const float* from = x + (task.k_begin + begin) * stride + task.kv_head * d;
  if (rows <= FEW && d % W == 0) return {from, stride};
  for (int64_t key = 0; key < n; ++key) copy_row(from + key * stride, to + key * pad(d), d, 1);
  return {to, pad(d)};
}

inline vi load_int(const int32_t* p) {
  vi v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

// Places arrays one after another in scratch; with no scratch, counts what they need.
struct Placer {
  float* base;
  int64_t floats = 0;
  float* operator()(int64_t n) {
    float* at = base ? base + floats : nullptr;
    floats += (n + 15) / 16 * 16;
    return at;
  }
};

}  // namespace qlora::QLORA_SIMD
