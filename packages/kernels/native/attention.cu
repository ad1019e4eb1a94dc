// attention.cu: causal attention on a device, tile by tile with a running softmax (Dao 2023, arXiv 2307.08691).
#include "attention_cuda.h"
#include "reduce.h"

namespace qlora::cuda {
namespace {

constexpr int warps = 4;

// A warp has 16·R rows, so that a fragment of keys serves R products; all walk over tiles of `keys` keys.
template <int D, int R>
struct Forward {
  static constexpr int rows = warps * 16 * R, keys = D * R >= 256 ? 32 : 64;
  struct Tiles {
    Row<D> q[rows], k[keys], v[keys];
  };
};

// Where parts of the keys go when several blocks share them: out and lse of part z, f32.
struct Parts {
  float *out, *lse;  // [parts, q_rows, heads, head_dim], [parts, q_rows, heads]; null: there is one part
};

// Block (slot, key head, part of the keys). A tile of v arrives during the scores, the next of k during the products with v.
template <int D, int R>
__global__ void __launch_bounds__(warps * 32) attention_kernel(Attention call, bf16* out, float* lse, Parts parts) {
  using Shape = Forward<D, R>;
  constexpr int N = Shape::keys;
  QLORA_SHARED(typename Shape::Tiles, tiles);
  Part part;
  if (!find_part(part, call, int(gridDim.x - 1 - blockIdx.x), Shape::rows, false)) return;  // the longest first
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, head_dim = call.head_dim;
  const int warp_row = part.begin + warp * 16 * R;
  const int last = part.visible(min(part.rows, part.begin + Shape::rows) - 1), all = (last + N - 1) / N;
  const int begin = int(int64_t(all) * blockIdx.z / gridDim.z) * N, end = int(int64_t(all) * (blockIdx.z + 1) / gridDim.z) * N;
  const bool busy = warp_row < part.rows;  // a warp without rows only copies

  const auto query_offset = [&](int r) { return row_at(call, part, r); };
  const auto key_offset = [&](int key) { return key_at(call, part, key); };
  const auto copy_keys = [&](Row<D>* tile, const bf16* from, int k0) {
    copy_rows<D>(tile, N, from, k0, part.keys, head_dim, key_offset);
    ptx::copy_commit();
  };

  float top[R][2], sum[R][2] = {}, result[R][D / 8][4] = {};
  for_halves<R>([&](int r, int half) { top[r][half] = -INFINITY; });
  uint32_t fq[R][D / 16][4];  // all of q, where registers suffice
  if (begin < end) {
    copy_rows<D>(tiles->q, Shape::rows, call.q, part.begin, part.rows, head_dim, query_offset);
    ptx::copy_commit();
    copy_keys(tiles->k, call.k, begin);
    ptx::copy_wait<1>();
    __syncthreads();
    if constexpr (D < 256)
#pragma unroll
      for (int r = 0; r < R; ++r)
#pragma unroll
        for (int column = 0; column < D; column += 16) rows_of<D>(tiles->q + warp * 16 * R)(fq[r][column / 16], r, column);
  }
  const auto queries = [&](uint32_t(&f)[4], int r, int column) {
    if constexpr (D == 256) rows_of<D>(tiles->q + warp * 16 * R)(f, r, column);
    else
#pragma unroll
      for (int i = 0; i < 4; ++i) f[i] = fq[r][column / 16][i];
  };
  const float scale2 = call.scale * log2_e;
  for (int k0 = begin; k0 < end; k0 += N) {
    float s[R][N / 8][4];
    ptx::copy_wait<0>();
    __syncthreads();  // this tile of k is here, and nobody reads the last one of v any more
    copy_keys(tiles->v, call.v, k0);
    if (busy) multiply_rows<D, R, N>(s, queries, tiles->k);
    ptx::copy_wait<0>();
    __syncthreads();  // likewise with v and k
    if (k0 + N < end) copy_keys(tiles->k, call.k, k0 + N);
    if (!busy) continue;

    if (k0 + N > part.visible(warp_row)) {
      for_halves<R>([&](int r, int half) {
        const int seen = part.visible(warp_row + 16 * r + 8 * half + lane / 4) - k0 - lane % 4 * 2;
#pragma unroll
        for (int n = 0; n < N / 8; ++n)
#pragma unroll
          for (int odd = 0; odd < 2; ++odd)
            if (n * 8 + odd >= seen) s[r][n][2 * half + odd] = -INFINITY;
      });
    }
    for_halves<R>([&](int r, int half) {
      float largest = top[r][half];
#pragma unroll
      for (int n = 0; n < N / 8; ++n) largest = fmaxf(largest, fmaxf(s[r][n][2 * half], s[r][n][2 * half + 1]));
      largest = fmaxf(largest, __shfl_xor_sync(~0u, largest, 1));
      largest = fmaxf(largest, __shfl_xor_sync(~0u, largest, 2));
      const float base = largest == -INFINITY ? 0 : largest * scale2;
      const float shrink = ptx::exp2(top[r][half] * scale2 - base);
      top[r][half] = largest;
      sum[r][half] *= shrink;
#pragma unroll
      for (int n = 0; n < N / 8; ++n)
#pragma unroll
        for (int i = 2 * half; i < 2 * half + 2; ++i) {
          s[r][n][i] = ptx::exp2(fmaf(s[r][n][i], scale2, -base));
          sum[r][half] += s[r][n][i];
        }
#pragma unroll
      for (int n = 0; n < D / 8; ++n) result[r][n][2 * half] *= shrink, result[r][n][2 * half + 1] *= shrink;
    });
    multiply_columns<D, D>(result, s, tiles->v);
  }

  for_halves<R>([&](int r, int half) {
    float total = sum[r][half];
    total += __shfl_xor_sync(~0u, total, 1);
    total += __shfl_xor_sync(~0u, total, 2);
    const int row = warp_row + 16 * r + 8 * half + lane / 4;
    if (row >= part.rows) return;
    const float inverse = total == 0 ? 0 : 1 / total;
    const float logarithm = total == 0 ? -INFINITY : top[r][half] * call.scale + logf(total);
    const int64_t at = row_at(call, part, row), shift = int64_t(blockIdx.z) * call.q_rows * call.heads;
    if (lane % 4 == 0) *(parts.lse ? parts.lse + shift + at / head_dim : lse + lse_at(call, part, row)) = logarithm;
    if (parts.out) store_row<D>(parts.out + shift * head_dim + at, result[r], half, inverse, 0, head_dim);
    else store_row<D>(out + at, result[r], half, inverse, 0, head_dim);
  });
}

// A warp puts the parts of one query and head together: block (query, head / 4).
__global__ void __launch_bounds__(warps * 32) attention_parts_kernel(Attention call, bf16* out, float* lse, Parts parts, int count) {
  const int lane = threadIdx.x % 32, head = blockIdx.y * warps + threadIdx.x / 32;
  const int64_t query = blockIdx.x, tq = tokens(call);
  if (query >= tq || head >= call.heads) return;
  const int64_t row = query * call.heads + head, step = int64_t(call.q_rows) * call.heads;
  float top = -INFINITY, total = 0;
  for (int part = 0; part < count; ++part) top = fmaxf(top, parts.lse[part * step + row]);
  const float base = top == -INFINITY ? 0 : top;
  for (int part = 0; part < count; ++part) total += __expf(parts.lse[part * step + row] - base);
  const float inverse = total == 0 ? 0 : 1 / total;
  if (lane == 0) lse[head * tq + query] = total == 0 ? -INFINITY : base + logf(total);
  for (int column = lane * 2; column < call.head_dim; column += 64) {
    float low = 0, high = 0;
    for (int part = 0; part < count; ++part) {
      const float weight = __expf(parts.lse[part * step + row] - base) * inverse;
      const float2 pair = *reinterpret_cast<const float2*>(parts.out + (part * step + row) * call.head_dim + column);
      low += weight * pair.x, high += weight * pair.y;
    }
    *reinterpret_cast<uint32_t*>(out + row * call.head_dim + column) = ptx::pack_bf16(low, high);
  }
}

}  // namespace

Status attention(const Attention& call, bf16* out, float* lse, float* scratch, int64_t scratch_length, Stream stream) {
  if (call.segments == 0 || call.q_rows == 0) return {};
  const int64_t rows = int64_t(call.q_rows) * call.heads;
  const int64_t room = scratch_length / (rows * (call.head_dim + 1));
  const int64_t useful = (call.k_rows + attention_part_keys - 1) / attention_part_keys;
  const int count = int(room < useful ? room : useful);
  const Parts parts = count > 1 ? Parts{scratch, scratch + count * rows * call.head_dim} : Parts{};
  const auto start = [&]<int D, int R>() {
    using Shape = Forward<D, R>;
    const unsigned slots = unsigned(rows / call.kv_heads / Shape::rows) + unsigned(call.segments);
    return launch(attention_kernel<D, R>,
                  {.grid = {slots, unsigned(call.kv_heads), count > 1 ? unsigned(count) : 1}, .block = warps * 32,
                   .shared = sizeof(typename Shape::Tiles), .stream = stream},
                  call, out, lse, parts);
  };
  const bool few = rows / call.kv_heads <= 64 * int64_t(call.segments);  // rows of most segments: one small tile holds them
  const Status status = with_width(call.head_dim, [&]<int D>() {
    if constexpr (D >= 128) return start.template operator()<D, 1>();
    else return few ? start.template operator()<D, 1>() : start.template operator()<D, 2>();
  });
  if (!status.ok() || count <= 1) return status;
  return launch(attention_parts_kernel,
                {.grid = {unsigned(call.q_rows), unsigned(call.heads + warps - 1) / warps}, .block = warps * 32, .stream = stream},
                call, out, lse, parts, count);
}

}  // namespace qlora::cuda
