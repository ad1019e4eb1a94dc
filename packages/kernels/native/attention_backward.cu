// attention_backward.cu: the gradients of causal attention on a device (Dao 2023, arXiv 2307.08691, algorithm 2), in two
// passes that each compute the scores again: one sums dk and dv over rows, one sums dq over keys. Nothing is added by atomics.
#include "attention_cuda.h"
#include "reduce.h"

namespace qlora::cuda {
namespace {

constexpr int warps = 4, own = warps * 16;  // a warp has 16 rows, or keys, and all walk over tiles of the others

template <int D>
struct Backward {
  static constexpr int walk = D == 64 ? 64 : D == 128 ? 32 : 16;  // length of the tiles walked over
  static constexpr int stages = D == 256 ? 1 : 2;                // of them in shared memory at once
  static constexpr int halves = D == 256 ? 2 : 1;                // warps that share rows, each with some columns of the sums
  struct Tiles {
    Row<D> a[own], b[own];                              // q and dout, or k and v
    Row<D> walk_a[stages][walk], walk_b[stages][walk];  // the others
    float lse[stages][walk], delta[stages][walk];       // where rows are walked over: lse · log2 e, Σ dout · out
    int visible[stages][walk];
  };
};

// delta = Σ dout · out of a row waits in the first four bytes of the row of dq that is made of it.
__device__ float* delta_at(bf16* dq, int64_t at) { return reinterpret_cast<float*>(dq + at); }

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

// Walks over count tiles: fetch(tile, stage) starts copies, use(tile, stage) works on them between two barriers.
template <int stages, class F, class G>
__device__ void walk_tiles(int count, F fetch, G use) {
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

// Block (slot of keys, key head): with p = e^(scale · k·qᵀ − lse) [keys, rows] and ds = p ∘ (v·doutᵀ − delta),
// dv = p·dout and dk = scale · ds·q.
template <int D>
__global__ void __launch_bounds__(warps * 32 * Backward<D>::halves)
    backward_keys_kernel(Attention call, const bf16* dout, const float* lse, bf16* dq, bf16* dk, bf16* dv) {
  using Shape = Backward<D>;
  constexpr int N = Shape::walk, C = D / Shape::halves;
  QLORA_SHARED(typename Shape::Tiles, tiles);
  Part part;
  if (!find_part(part, call, int(blockIdx.x), own, true)) return;
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32 % warps, column0 = int(threadIdx.x) / (32 * warps) * C;
  const int head_dim = call.head_dim, warp_key = part.begin + warp * 16;
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
      const float logarithm = row < part.rows ? lse[lse_at(call, part, row)] : INFINITY;
      tiles->lse[stage][i] = logarithm == -INFINITY ? INFINITY : logarithm * log2_e;  // p = 0 for rows that see nothing
      tiles->delta[stage][i] = row < part.rows ? *delta_at(dq, row_at(call, part, row)) : 0;
      tiles->visible[stage][i] = part.visible(row);
    }
  };
  float sum_k[1][C / 8][4] = {}, sum_v[1][C / 8][4] = {};
  const float scale2 = call.scale * log2_e;
  const auto use = [&](int, int stage) {
    float p[1][N / 8][4], ds[1][N / 8][4];
    multiply_rows<D, 1, N>(p, rows_of<D>(tiles->a + warp * 16), tiles->walk_a[stage]);
    multiply_rows<D, 1, N>(ds, rows_of<D>(tiles->b + warp * 16), tiles->walk_b[stage]);
    const bool mask = tiles->visible[stage][0] < part.begin + own;
#pragma unroll
    for (int n = 0; n < N / 8; ++n)
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int row = n * 8 + lane % 4 * 2 + i % 2, key = warp_key + lane / 4 + i / 2 * 8;
        const float value = ptx::exp2(fmaf(p[0][n][i], scale2, -tiles->lse[stage][row]));
        p[0][n][i] = mask && key >= tiles->visible[stage][row] ? 0 : value;
        ds[0][n][i] = p[0][n][i] * (ds[0][n][i] - tiles->delta[stage][row]);
      }
    multiply_columns<D, C>(sum_v, p, tiles->walk_b[stage], column0);
    multiply_columns<D, C>(sum_k, ds, tiles->walk_a[stage], column0);
  };
  walk_tiles<Shape::stages>(row0 < part.rows ? (part.rows - row0 + N - 1) / N : 0, fetch, use);

#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int key = warp_key + lane / 4 + 8 * half;
    if (key >= part.keys) continue;
#pragma unroll
    for (int n = 0; n < C / 8; ++n) {
      const int column = column0 + n * 8 + lane % 4 * 2;
      if (column >= head_dim) continue;
      const int64_t at = key_at(call, part, key) + column;
      const float(&a)[4] = sum_k[0][n], (&b)[4] = sum_v[0][n];
      *reinterpret_cast<uint32_t*>(dk + at) = ptx::pack_bf16(a[2 * half] * call.scale, a[2 * half + 1] * call.scale);
      *reinterpret_cast<uint32_t*>(dv + at) = ptx::pack_bf16(b[2 * half], b[2 * half + 1]);
    }
  }
}

// Block (slot of rows, key head): dq = scale · ds·k with ds [rows, keys] as above.
template <int D>
__global__ void __launch_bounds__(warps * 32)
    backward_queries_kernel(Attention call, const bf16* dout, const float* lse, bf16* dq) {
  using Shape = Backward<D>;
  constexpr int N = Shape::walk;
  QLORA_SHARED(typename Shape::Tiles, tiles);
  Part part;
  if (!find_part(part, call, int(gridDim.x - 1 - blockIdx.x), own, false)) return;  // the longest first
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, head_dim = call.head_dim, warp_row = part.begin + warp * 16;
  const int last = part.visible(min(part.rows, part.begin + own) - 1);

  const auto query_offset = [&](int r) { return row_at(call, part, r); };
  const auto key_offset = [&](int key) { return key_at(call, part, key); };
  copy_rows<D>(tiles->a, own, call.q, part.begin, part.rows, head_dim, query_offset);
  copy_rows<D>(tiles->b, own, dout, part.begin, part.rows, head_dim, query_offset);
  const auto fetch = [&](int tile, int stage) {
    copy_rows<D>(tiles->walk_a[stage], N, call.k, tile * N, part.keys, head_dim, key_offset);
    copy_rows<D>(tiles->walk_b[stage], N, call.v, tile * N, part.keys, head_dim, key_offset);
  };
  float lse2[2], delta[2], sum[1][D / 8][4] = {};
  int visible[2];
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int row = warp_row + lane / 4 + 8 * half;
    const float logarithm = row < part.rows ? lse[lse_at(call, part, row)] : INFINITY;
    lse2[half] = logarithm == -INFINITY ? INFINITY : logarithm * log2_e;
    delta[half] = row < part.rows ? *delta_at(dq, row_at(call, part, row)) : 0;
    visible[half] = part.visible(row);
  }
  const float scale2 = call.scale * log2_e;
  const auto use = [&](int tile, int stage) {
    float p[1][N / 8][4], ds[1][N / 8][4];
    multiply_rows<D, 1, N>(p, rows_of<D>(tiles->a + warp * 16), tiles->walk_a[stage]);
    multiply_rows<D, 1, N>(ds, rows_of<D>(tiles->b + warp * 16), tiles->walk_b[stage]);
    const bool mask = (tile + 1) * N > part.visible(part.begin);
#pragma unroll
    for (int n = 0; n < N / 8; ++n)
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int key = tile * N + n * 8 + lane % 4 * 2 + i % 2;
        const float value = ptx::exp2(fmaf(p[0][n][i], scale2, -lse2[i / 2]));
        ds[0][n][i] = mask && key >= visible[i / 2] ? 0 : value * (ds[0][n][i] - delta[i / 2]);
      }
    multiply_columns<D, D>(sum, ds, tiles->walk_a[stage]);
  };
  walk_tiles<Shape::stages>((last + N - 1) / N, fetch, use);
  ptx::copy_wait<0>();
  __syncthreads();  // every delta has been read

#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int row = warp_row + lane / 4 + 8 * half;
    if (row >= part.rows) continue;
    const int64_t at = row_at(call, part, row);
#pragma unroll
    for (int n = 0; n < D / 8; ++n) {
      const int column = n * 8 + lane % 4 * 2;
      if (column < head_dim)
        *reinterpret_cast<uint32_t*>(dq + at + column) =
            ptx::pack_bf16(sum[0][n][2 * half] * call.scale, sum[0][n][2 * half + 1] * call.scale);
    }
  }
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
