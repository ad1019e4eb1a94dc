// attention_backward.cu: the gradients of causal attention on a device (Dao 2023, arXiv 2307.08691, algorithm 2), in two
// passes that each compute the scores again: one sums dk and dv over rows, one sums dq over keys. Nothing is added by atomics.
#include "attention_cuda.h"
#include "reduce.h"

namespace qlora::cuda {
namespace {

constexpr int warps = 4;

template <int D>
struct Backward {
  static constexpr int R = D == 64 ? 2 : 1, own = warps * 16 * R;  // a warp has 16·R rows, or keys
  static constexpr int walk = D == 256 ? 16 : 32;                  // all walk over tiles of so many of the others
  static constexpr int stages = D == 256 ? 1 : 2;                  // of them in shared memory at once
  static constexpr int halves = D == 256 ? 2 : 1;                  // warps that share keys, each with some columns of dk and dv
  struct Tiles {
    Row<D> a[own], b[own];                              // q and dout, or k and v
    Row<D> walk_a[stages][walk], walk_b[stages][walk];  // the others
    float lse[stages][walk], delta[stages][walk];       // where rows are walked over: lse · log2 e, Σ dout · out
    int visible[stages][walk];
  };
};

// delta = Σ dout · out of a row waits in the first four bytes of the row of dq that is made of it.
__device__ float* delta_at(bf16* dq, int64_t at) { return reinterpret_cast<float*>(dq + at); }

// lse as the exponent of 2 that makes probabilities of scores; a row that sees no key has none.
__device__ float exponent(float lse) { return lse == -INFINITY ? INFINITY : lse * log2_e; }

// A warp for a query and head.
__global__ void __launch_bounds__(warps * 32) delta_kernel(Attention call, const bf16* dout, const bf16* out, bf16* dq) {
  const int64_t row = int64_t(blockIdx.x) * warps + threadIdx.x / 32;
  if (row >= tokens(call) * call.heads) return;
  float sum = 0;
  for (int i = threadIdx.x % 32 * 2; i < call.head_dim; i += 64) {
    const int64_t at = row * call.head_dim + i;
    const uint32_t a = *reinterpret_cast<const uint32_t*>(dout + at), b = *reinterpret_cast<const uint32_t*>(out + at);
    sum += widen_low(a) * widen_low(b) + widen_high(a) * widen_high(b);
  }
  sum = reduce_warp(sum);
  if (threadIdx.x % 32 == 0) *delta_at(dq, row * call.head_dim) = sum;
}

// Block (slot of keys, key head): with p = e^(scale · k·qᵀ − lse) [keys, rows] and ds = p ∘ (v·doutᵀ − delta),
// dv = p·dout and dk = scale · ds·q.
template <int D>
__global__ void __launch_bounds__(warps * 32 * Backward<D>::halves)
    backward_keys_kernel(Attention call, const bf16* dout, const float* lse, bf16* dq, bf16* dk, bf16* dv) {
  using Shape = Backward<D>;
  constexpr int R = Shape::R, own = Shape::own, N = Shape::walk, C = D / Shape::halves;
  QLORA_SHARED(typename Shape::Tiles, tiles);
  Part part;
  if (!find_part(part, call, int(blockIdx.x), own, true)) return;
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32 % warps, column0 = int(threadIdx.x) / (32 * warps) * C;
  const int head_dim = call.head_dim, warp_key = part.begin + warp * 16 * R;
  const int row0 = max(0, part.begin - part.shift) * part.group / N * N;  // earlier rows see none of these keys

  const auto query_offset = [&](int r) { return row_at(call, part, r); };
  const auto key_offset = [&](int key) { return key_at(call, part, key); };
  copy_rows<D>(tiles->a, own, call.k, part.begin, part.keys, head_dim, key_offset);
  copy_rows<D>(tiles->b, own, call.v, part.begin, part.keys, head_dim, key_offset);
  const auto fetch = [&](int tile, int stage) {
    const int first = row0 + tile * N;
    copy_rows<D>(tiles->walk_a[stage], N, call.q, first, part.rows, head_dim, query_offset);
    copy_rows<D>(tiles->walk_b[stage], N, dout, first, part.rows, head_dim, query_offset);
    for (int i = threadIdx.x; i < N; i += blockDim.x) {
      const int row = first + i;
      tiles->lse[stage][i] = row < part.rows ? exponent(lse[lse_at(call, part, row)]) : INFINITY;
      tiles->delta[stage][i] = row < part.rows ? *delta_at(dq, row_at(call, part, row)) : 0;
      tiles->visible[stage][i] = part.visible(row);
    }
  };
  float sum_k[R][C / 8][4] = {}, sum_v[R][C / 8][4] = {};
  const float scale2 = call.scale * log2_e;
  const auto use = [&](int, int stage) {
    if (warp_key >= part.keys) return;
    float p[R][N / 8][4], ds[R][N / 8][4];
    multiply_rows<D, R, N>(p, rows_of<D>(tiles->a + warp * 16 * R), tiles->walk_a[stage]);
    multiply_rows<D, R, N>(ds, rows_of<D>(tiles->b + warp * 16 * R), tiles->walk_b[stage]);
    const bool mask = tiles->visible[stage][0] < warp_key + 16 * R;
#pragma unroll
    for (int n = 0; n < N / 8; ++n)
#pragma unroll
      for (int odd = 0; odd < 2; ++odd) {
        const int row = n * 8 + lane % 4 * 2 + odd;
        const float lse2 = tiles->lse[stage][row], delta = tiles->delta[stage][row];
        const int seen = tiles->visible[stage][row] - warp_key - lane / 4;
#pragma unroll
        for (int r = 0; r < R; ++r)
#pragma unroll
          for (int half = 0; half < 2; ++half) {
            float &score = p[r][n][2 * half + odd], &gradient = ds[r][n][2 * half + odd];
            score = mask && 16 * r + 8 * half >= seen ? 0 : ptx::exp2(fmaf(score, scale2, -lse2));
            gradient = score * (gradient - delta);
          }
      }
    multiply_columns<D, C>(sum_v, p, tiles->walk_b[stage], column0);
    multiply_columns<D, C>(sum_k, ds, tiles->walk_a[stage], column0);
  };
  walk_tiles<Shape::stages>(row0 < part.rows ? (part.rows - row0 + N - 1) / N : 0, fetch, use);

  for_halves<R>([&](int r, int half) {
    const int key = warp_key + 16 * r + 8 * half + lane / 4;
    if (key >= part.keys) return;
    store_row<C>(dk + key_at(call, part, key), sum_k[r], half, call.scale, column0, head_dim);
    store_row<C>(dv + key_at(call, part, key), sum_v[r], half, 1, column0, head_dim);
  });
}

// Block (slot of rows, key head): dq = scale · ds·k with ds [rows, keys] as above.
template <int D>
__global__ void __launch_bounds__(warps * 32)
    backward_queries_kernel(Attention call, const bf16* dout, const float* lse, bf16* dq) {
  using Shape = Backward<D>;
  constexpr int R = Shape::R, own = Shape::own, N = Shape::walk;
  QLORA_SHARED(typename Shape::Tiles, tiles);
  Part part;
  if (!find_part(part, call, int(gridDim.x - 1 - blockIdx.x), own, false)) return;  // the longest first
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, head_dim = call.head_dim;
  const int warp_row = part.begin + warp * 16 * R;
  const int last = part.visible(min(part.rows, part.begin + own) - 1);

  const auto query_offset = [&](int r) { return row_at(call, part, r); };
  const auto key_offset = [&](int key) { return key_at(call, part, key); };
  copy_rows<D>(tiles->a, own, call.q, part.begin, part.rows, head_dim, query_offset);
  copy_rows<D>(tiles->b, own, dout, part.begin, part.rows, head_dim, query_offset);
  const auto fetch = [&](int tile, int stage) {
    copy_rows<D>(tiles->walk_a[stage], N, call.k, tile * N, part.keys, head_dim, key_offset);
    copy_rows<D>(tiles->walk_b[stage], N, call.v, tile * N, part.keys, head_dim, key_offset);
  };
  float lse2[R][2], delta[R][2], sum[R][D / 8][4] = {};
  for_halves<R>([&](int r, int half) {
    const int row = warp_row + 16 * r + 8 * half + lane / 4;
    lse2[r][half] = row < part.rows ? exponent(lse[lse_at(call, part, row)]) : INFINITY;
    delta[r][half] = row < part.rows ? *delta_at(dq, row_at(call, part, row)) : 0;
  });
  const float scale2 = call.scale * log2_e;
  const auto use = [&](int tile, int stage) {
    if (warp_row >= part.rows) return;
    float p[R][N / 8][4], ds[R][N / 8][4];
    multiply_rows<D, R, N>(p, rows_of<D>(tiles->a + warp * 16 * R), tiles->walk_a[stage]);
    multiply_rows<D, R, N>(ds, rows_of<D>(tiles->b + warp * 16 * R), tiles->walk_b[stage]);
    const bool mask = (tile + 1) * N > part.visible(warp_row);
    for_halves<R>([&](int r, int half) {
      const int seen = mask ? part.visible(warp_row + 16 * r + 8 * half + lane / 4) - tile * N - lane % 4 * 2 : N;
#pragma unroll
      for (int n = 0; n < N / 8; ++n)
#pragma unroll
        for (int odd = 0; odd < 2; ++odd) {
          float& gradient = ds[r][n][2 * half + odd];
          const float value = ptx::exp2(fmaf(p[r][n][2 * half + odd], scale2, -lse2[r][half]));
          gradient = n * 8 + odd >= seen ? 0 : value * (gradient - delta[r][half]);
        }
    });
    multiply_columns<D, D>(sum, ds, tiles->walk_a[stage]);
  };
  walk_tiles<Shape::stages>((last + N - 1) / N, fetch, use);
  ptx::copy_wait<0>();
  __syncthreads();  // every delta has been read

  for_halves<R>([&](int r, int half) {
    const int row = warp_row + 16 * r + 8 * half + lane / 4;
    if (row < part.rows) store_row<D>(dq + row_at(call, part, row), sum[r], half, call.scale, 0, head_dim);
  });
}

}  // namespace

Status attention_backward(const Attention& call, const bf16* dout, const bf16* out, const float* lse, bf16* dq, bf16* dk, bf16* dv,
                          Stream stream) {
  if (call.segments == 0) return {};
  const int64_t rows = int64_t(call.q_rows) * call.heads;
  const unsigned heads = unsigned(call.kv_heads), segments = unsigned(call.segments);
  if (rows > 0) {
    const Status deltas =
        launch(delta_kernel, {.grid = unsigned((rows + warps - 1) / warps), .block = warps * 32, .stream = stream}, call, dout, out, dq);
    if (!deltas.ok()) return deltas;
  }
  return with_width(call.head_dim, [&]<int D>() {
    constexpr int own = Backward<D>::own;
    const size_t shared = sizeof(typename Backward<D>::Tiles);
    const Status keys = launch(backward_keys_kernel<D>,
                               {.grid = {unsigned(call.k_rows / own) + segments, heads},
                                .block = warps * 32 * Backward<D>::halves, .shared = shared, .stream = stream},
                               call, dout, lse, dq, dk, dv);
    if (!keys.ok()) return keys;
    return launch(backward_queries_kernel<D>,
                  {.grid = {unsigned(rows / heads / own) + segments, heads}, .block = warps * 32, .shared = shared, .stream = stream},
                  call, dout, lse, dq);
  });
}

}  // namespace qlora::cuda
