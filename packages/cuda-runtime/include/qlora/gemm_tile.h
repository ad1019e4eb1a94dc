// gemm_tile.h: the micro-kernel: a tile of MR rows × NV registers of sums, kept in registers over one chunk of the
// reduction.
#pragma once
#include "vec.h"

namespace qlora::QLORA_SIMD {

// Tile sizes: as many sums as the registers hold, with fewer loads per fma than the set can issue.
#if defined(__AVX512F__)
inline constexpr int MR = 8, NV = 3;  // 24 sums of 32 registers
#elif defined(__AVX2__)
inline constexpr int MR = 6, NV = 2;  // 12 of 16
#elif defined(__ARM_NEON)
inline constexpr int MR = 6, NV = 4;  // 24 of 32
#else
inline constexpr int MR = 2, NV = 4;  // 8 of 16
#endif
inline constexpr int NR = NV * W;

// Where the sums of a tile go. `before` holds the sums of the earlier chunks (null for the first chunk); they are added
// and the total is written to `sums`, or after the last chunk to y as y (+)= alpha · total.
struct Sums {
  const float* before;
  float* sums;     // null after the last chunk
  int64_t stride;  // of before and sums
  float* y;
  int64_t y_stride;
  float alpha;
  bool accumulate;
};

// Register v of row m of a tile: to the partial sums, or after the last chunk to y.
inline void put(const Sums& out, int m, int v, int columns, vf t) {
  if (out.sums) return store(out.sums + m * out.stride + v * W, t);
  const int n = columns - v * W;
  float* y = out.y + m * out.y_stride + v * W;
  t = splat(out.alpha) * t;
  if (n >= W) store(y, out.accumulate ? load(y) + t : t);
  else if (n > 0) store_part(y, out.accumulate ? load_part(y, n) + t : t, n);
}

// The left operand: element (m, k) at a[m·stride + k], or with ACROSS at a[m + k·stride].
template <int M, int V, bool ACROSS>
void tile(int64_t kc, const float* a, int64_t stride, const float* b, int columns, const Sums& out) {
  vf c[M][V];
#pragma GCC unroll 8
  for (int m = 0; m < M; ++m)
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) c[m][v] = vf{};

#pragma GCC unroll 4
  for (int64_t k = 0; k < kc; ++k) {
    vf x[V];
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) x[v] = load(b + v * W);
#pragma GCC unroll 8
    for (int m = 0; m < M; ++m) {
      const vf s = splat(ACROSS ? a[m] : a[m * stride]);
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) c[m][v] = fma(s, x[v], c[m][v]);
    }
    a += ACROSS ? stride : 1;
    b += V * W;
  }

#pragma GCC unroll 8
  for (int m = 0; m < M; ++m)
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) {
      const vf before = out.before ? load(out.before + m * out.stride + v * W) : vf{};
      put(out, m, v, columns, before + c[m][v]);
    }
}

using Tile = void (*)(int64_t, const float*, int64_t, const float*, int, const Sums&);

struct TileTable {
  Tile at[MR + 1][NV + 1]{};  // [rows][registers]
};
template <bool ACROSS, int M = 1, int V = 1>
constexpr void fill(TileTable& table) {
  table.at[M][V] = tile<M, V, ACROSS>;
  if constexpr (V < NV) fill<ACROSS, M, V + 1>(table);
  else if constexpr (M < MR) fill<ACROSS, M + 1, 1>(table);
}
template <bool ACROSS>
inline constexpr TileTable tiles = [] {
  TileTable table;
  fill<ACROSS>(table);
  return table;
}();

}  // namespace qlora::QLORA_SIMD
