// attention_cuda.h: device code that the kernels of attention share: which part of a segment a block has, tiles in shared
// memory, products of a warp.
//
// Rows are the pairs (query, head of the group) that read the same keys: row r is query r / group, head r % group. So a tile
// of keys serves all heads of its group, and one query of a model with few key heads fills more of a fragment.
#pragma once
#include "cuda.h"
#include "qlora/cuda/kernel.h"

namespace qlora::cuda {

inline constexpr float log2_e = 1.4426950408889634f;

// Rows of a tile are 16 bytes further apart than they are long: the eight rows of an ldmatrix lie in different banks.
template <int D>
using Row = bf16[D + 8];

// A block's segment, and where its tile begins in it.
struct Part {
  int q_begin, k_begin, rows, keys, group, shift, begin;
  // Keys that row r sees, from the first on.
  __device__ int visible(int r) const { return max(0, r / group + 1 + shift); }
};

// Where segment i begins; never outside of the arrays, whatever the borders say.
__device__ inline int border(const int32_t* cu, int segment, int limit) { return max(0, min(cu[segment], limit)); }
// Tokens of all queries.
__device__ inline int64_t tokens(const Attention& call) { return border(call.cu_q, call.segments, call.q_rows); }

// Tile number `slot` of all segments, cut into tiles of `size` rows (of_keys: keys). Segment i has the slots from
// ⌊its first row / size⌋ + i on, which are at least as many as it has tiles; false where this one is beyond them.
__device__ inline bool find_part(Part& part, const Attention& call, int slot, int size, bool of_keys) {
  const int32_t* cu = of_keys ? call.cu_k : call.cu_q;
  const int limit = of_keys ? call.k_rows : call.q_rows;
  part.group = call.heads / call.kv_heads;
  const auto first_slot = [&](int segment) {
    return int(int64_t(border(cu, segment, limit)) * (of_keys ? 1 : part.group) / size) + segment;
  };
  int segment = 0;
  for (int end = call.segments; segment + 1 < end;) {
    const int middle = (segment + end) / 2;
    if (first_slot(middle) <= slot) segment = middle;
    else end = middle;
  }
  part.q_begin = border(call.cu_q, segment, call.q_rows), part.k_begin = border(call.cu_k, segment, call.k_rows);
  const int queries = border(call.cu_q, segment + 1, call.q_rows) - part.q_begin;
  part.keys = border(call.cu_k, segment + 1, call.k_rows) - part.k_begin;
  part.rows = queries * part.group;
  part.shift = part.keys - queries;
  part.begin = (slot - first_slot(segment)) * size;
  return part.begin < (of_keys ? part.keys : part.rows);
}

// Where row r of the group of key head blockIdx.y lies in q and all that is like it, and in [heads, tq].
__device__ inline int64_t row_at(const Attention& call, const Part& part, int r) {
  return (int64_t(part.q_begin + r / part.group) * call.heads + blockIdx.y * part.group + r % part.group) * call.head_dim;
}
__device__ inline int64_t lse_at(const Attention& call, const Part& part, int r) {
  return int64_t(blockIdx.y * part.group + r % part.group) * tokens(call) + part.q_begin + r / part.group;
}
__device__ inline int64_t key_at(const Attention& call, const Part& part, int key) {
  return (int64_t(part.k_begin + key) * call.kv_heads + blockIdx.y) * call.head_dim;
}

// Starts copying rows first … first + n - 1 of an array to a tile; zeros for those from `end` on and beyond head_dim.
template <int D, class F>
__device__ inline void copy_rows(Row<D>* tile, int n, const bf16* from, int first, int end, int head_dim, F row_offset) {
  constexpr int chunks = D / 8;
  for (int i = threadIdx.x; i < n * chunks; i += blockDim.x) {
    const int row = i / chunks, column = i % chunks * 8;
    const bool valid = first + row < end && column < head_dim;
    ptx::copy_async(&tile[row][column], from + (valid ? row_offset(first + row) + column : 0), valid);
  }
}

// s [16·R, N] = a · bᵀ for a warp: a(f, r, column) gives fragment r of a at a column, b are N rows of a tile, D wide.
template <int D, int R, int N, class A>
__device__ inline void multiply_rows(float (&s)[R][N / 8][4], A a, const Row<D>* b) {
  const int lane = threadIdx.x % 32;
#pragma unroll
  for (int r = 0; r < R; ++r)
#pragma unroll
    for (int n = 0; n < N / 8; ++n) s[r][n][0] = s[r][n][1] = s[r][n][2] = s[r][n][3] = 0;
#pragma unroll
  for (int column = 0; column < D; column += 16) {
    uint32_t fa[R][4];
#pragma unroll
    for (int r = 0; r < R; ++r) a(fa[r], r, column);
#pragma unroll
    for (int n = 0; n < N; n += 16) {
      uint32_t fb[4];
      ptx::ldmatrix(fb, &b[n + lane % 8 + lane / 16 * 8][column + lane / 8 % 2 * 8]);
#pragma unroll
      for (int r = 0; r < R; ++r) {
        ptx::mma_bf16(s[r][n / 8], fa[r], fb[0], fb[1]);
        ptx::mma_bf16(s[r][n / 8 + 1], fa[r], fb[2], fb[3]);
      }
    }
  }
}

// Fragments of 16·R rows of a tile.
template <int D>
__device__ inline auto rows_of(const Row<D>* rows) {
  return [rows](uint32_t (&f)[4], int r, int column) {
    const int lane = threadIdx.x % 32;
    ptx::ldmatrix(f, &rows[16 * r + lane % 16][column + lane / 16 * 8]);
  };
}

// sums [16·R, C] += p · b for a warp: p [16·R, N] rounded to bf16, b columns `first` … first + C - 1 of N rows of a tile.
template <int D, int C, int R, int N8>
__device__ inline void multiply_columns(float (&sums)[R][C / 8][4], const float (&p)[R][N8][4], const Row<D>* b, int first = 0) {
  const int lane = threadIdx.x % 32;
#pragma unroll
  for (int k = 0; k < N8; k += 2) {
    uint32_t fp[R][4];
#pragma unroll
    for (int r = 0; r < R; ++r)
#pragma unroll
      for (int i = 0; i < 4; ++i) fp[r][i] = ptx::pack_bf16(p[r][k + i / 2][i % 2 * 2], p[r][k + i / 2][i % 2 * 2 + 1]);
#pragma unroll
    for (int column = 0; column < C; column += 16) {
      uint32_t fb[4];
      ptx::ldmatrix_trans(fb, &b[k * 8 + lane % 16][first + column + lane / 16 * 8]);
#pragma unroll
      for (int r = 0; r < R; ++r) {
        ptx::mma_bf16(sums[r][column / 8], fp[r], fb[0], fb[1]);
        ptx::mma_bf16(sums[r][column / 8 + 1], fp[r], fb[2], fb[3]);
      }
    }
  }
}

// Calls f(r, half) for the rows of 16·R that a lane has a part of: 16·r + 8·half + lane / 4.
template <int R, class F>
__device__ inline void for_halves(F f) {
#pragma unroll
  for (int r = 0; r < R; ++r)
#pragma unroll
    for (int half = 0; half < 2; ++half) f(r, half);
}

// Walks over count tiles: fetch(tile, stage) starts copies, use(tile, stage) works on them between two barriers.
template <int stages, class F, class G>
__device__ inline void walk_tiles(int count, F fetch, G use) {
  const auto start = [&](int tile) {
    fetch(tile, tile % stages);
    ptx::copy_commit();
  };
  if (count > 0) start(0);
  for (int tile = 0; tile < count; ++tile) {
    if (stages > 1 && tile + 1 < count) {
      start(tile + 1);
      ptx::copy_wait<1>();
    } else {
      ptx::copy_wait<0>();
    }
    __syncthreads();  // everyone's copies of this tile are here
    use(tile, tile % stages);
    __syncthreads();  // nobody reads it any more
    if (stages == 1 && tile + 1 < count) start(tile + 1);
  }
}

// A lane's two columns of each eight in one row of a fragment, times a factor, as columns `first` … of a row in memory.
__device__ inline void store_pair(bf16* p, float low, float high) {
  *reinterpret_cast<uint32_t*>(p) = ptx::pack_bf16(low, high);
}
__device__ inline void store_pair(float* p, float low, float high) { *reinterpret_cast<float2*>(p) = make_float2(low, high); }
template <int C, class T>
__device__ inline void store_row(T* row, const float (&sums)[C / 8][4], int half, float factor, int first, int head_dim) {
#pragma unroll
  for (int n = 0; n < C / 8; ++n) {
    const int column = first + n * 8 + threadIdx.x % 4 * 2;
    if (column < head_dim) store_pair(row + column, sums[n][2 * half] * factor, sums[n][2 * half + 1] * factor);
  }
}

// The narrowest of the widths that kernels exist for which holds head_dim: f.template operator()<D>().
template <class F>
Status with_width(int head_dim, F f) {
  if (head_dim <= 64) return f.template operator()<64>();
  if (head_dim <= 128) return f.template operator()<128>();
  return f.template operator()<256>();
}

}  // namespace qlora::cuda
