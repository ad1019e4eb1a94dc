// sample.cu: kernels to learn from (see sample.h), for nvcc and for the emulator.
#include "sample.h"

#include "qlora/cuda/kernel.h"

namespace sample {
namespace {

using namespace qlora;
using qlora::cuda::launch;

__global__ void add_kernel(const float* x, const float* y, float* z, int64_t n) {
  const int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i < n) z[i] = x[i] + y[i];
}

__global__ void exp2_kernel(const float* x, float* y, int64_t n) {
  const int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i < n) y[i] = ptx::exp2(x[i]);
}

// One value a block: a tree over shared memory down to a warp, then shuffles.
__global__ void __launch_bounds__(256) sum_kernel(const float* x, float* result, int64_t n) {
  QLORA_SHARED_STATIC(float, tree, [256]);
  const int t = threadIdx.x;
  float mine = 0;
  for (int64_t i = int64_t(blockIdx.x) * 256 + t; i < n; i += int64_t(gridDim.x) * 256) mine += x[i];
  tree[t] = mine;
  __syncthreads();
  for (int half = 128; half >= 32; half /= 2) {
    if (t < half) tree[t] += tree[t + half];
    __syncthreads();
  }
  if (t >= 32) return;
  mine = tree[t];
  for (int half = 16; half; half /= 2) mine += __shfl_down_sync(~0u, mine, half);
  if (t == 0) result[blockIdx.x] = mine;
}

// A block of 4 warps makes a 64 × 64 tile of c. Tiles of a and b, 64 × 32, come by cp.async, the next while this one is
// used. Rows are 40 elements (80 bytes) apart, so that the eight rows of an ldmatrix lie in different banks.
constexpr int tile = 64, step = 32, pitch = step + 8;
struct Tiles {
  bf16 a[2][tile][pitch], b[2][tile][pitch];
};
__global__ void __launch_bounds__(128) matmul_kernel(const bf16* a, const bf16* b, bf16* c, int m, int n, int k) {
  QLORA_SHARED(Tiles, tiles);
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const int row0 = blockIdx.y * tile, column0 = blockIdx.x * tile;
  const int warp_row = warp / 2 * 32, warp_column = warp % 2 * 32;

  auto fetch = [&](int stage, int k0) {
    for (int i = threadIdx.x; i < tile * step / 8; i += 128) {
      const int row = i / (step / 8), column = i % (step / 8) * 8;
      const bool in_a = row0 + row < m, in_b = column0 + row < n;
      ptx::copy_async(&tiles->a[stage][row][column], a + int64_t(in_a ? row0 + row : 0) * k + k0 + column, in_a);
      ptx::copy_async(&tiles->b[stage][row][column], b + int64_t(in_b ? column0 + row : 0) * k + k0 + column, in_b);
    }
    ptx::copy_commit();
  };

  float sums[2][4][4] = {};  // 2 × 4 fragments of 16 × 8
  fetch(0, 0);
  for (int k0 = 0; k0 < k; k0 += step) {
    const int stage = k0 / step % 2;
    if (k0 + step < k) {
      fetch(stage ^ 1, k0 + step);
      ptx::copy_wait<1>();
    } else {
      ptx::copy_wait<0>();
    }
    __syncthreads();  // everyone's copies of this stage are here
#pragma unroll
    for (int kk = 0; kk < step; kk += 16) {
      uint32_t fa[2][4], fb[2][4];
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        ptx::ldmatrix(fa[i], &tiles->a[stage][warp_row + 16 * i + lane % 16][kk + lane / 16 * 8]);
        ptx::ldmatrix(fb[i], &tiles->b[stage][warp_column + 16 * i + lane % 8 + lane / 16 * 8][kk + lane / 8 % 2 * 8]);
      }
#pragma unroll
      for (int i = 0; i < 2; ++i)
#pragma unroll
        for (int j = 0; j < 4; ++j) ptx::mma_bf16(sums[i][j], fa[i], fb[j / 2][j % 2 * 2], fb[j / 2][j % 2 * 2 + 1]);
    }
    __syncthreads();  // nobody reads this stage any more: it may be overwritten
  }

#pragma unroll
  for (int i = 0; i < 2; ++i)
#pragma unroll
    for (int j = 0; j < 4; ++j)
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const int row = row0 + warp_row + 16 * i + 8 * half + lane / 4, column = column0 + warp_column + 8 * j + lane % 4 * 2;
        if (row < m && column < n)
          *reinterpret_cast<uint32_t*>(c + int64_t(row) * n + column) =
              ptx::pack_bf16(sums[i][j][2 * half], sums[i][j][2 * half + 1]);
      }
}

// A warp makes a 16 × 8 tile, reading its fragments straight from global memory.
__global__ void matmul_s8_kernel(const int8_t* a, const int8_t* b, int32_t* c, int n, int k) {
  const int g = threadIdx.x / 4, t = threadIdx.x % 4;
  const int row = blockIdx.y * 16 + g, column = blockIdx.x * 8;
  auto four = [](const int8_t* p) { return *reinterpret_cast<const uint32_t*>(p); };
  int sums[4] = {};
  for (int k0 = 4 * t; k0 < k; k0 += 32) {
    const int8_t *upper = a + int64_t(row) * k + k0, *lower = upper + int64_t(8) * k, *right = b + int64_t(column + g) * k + k0;
    const uint32_t fa[4] = {four(upper), four(lower), four(upper + 16), four(lower + 16)};
    ptx::mma_s8(sums, fa, four(right), four(right + 16));
  }
  for (int i = 0; i < 4; ++i) c[int64_t(row + i / 2 * 8) * n + column + 2 * t + i % 2] = sums[i];
}

// Eleven results a lane: out [11, rows, 32].
__global__ void warp_kernel(const int32_t* x, int32_t* out, int rows) {
  const int lane = threadIdx.x, row = blockIdx.x;
  const int32_t value = x[row * 32 + lane];
  auto put = [&](int which, int32_t result) { out[(int64_t(which) * rows + row) * 32 + lane] = result; };
  put(0, __shfl_sync(~0u, value, lane + 3, 8));
  put(1, __shfl_xor_sync(~0u, value, 5));
  put(2, __shfl_up_sync(~0u, value, 3, 16));
  put(3, __shfl_down_sync(~0u, value, 3, 16));
  put(4, int(__ballot_sync(~0u, value & 1)));
  put(5, __any_sync(~0u, value > 1000) * 2 + __all_sync(~0u, value > -1000));
  put(6, __reduce_add_sync(~0u, value));
  put(7, __reduce_max_sync(~0u, value));
  put(8, lane < 16 ? __shfl_xor_sync(0xffffu, value, 1) : __shfl_xor_sync(0xffff0000u, value, 2));
  put(9, __syncthreads_count(value & 1) * 4 + __syncthreads_or(value > 1000) * 2 + __syncthreads_and(value > -1000));

  QLORA_SHARED_STATIC(int32_t, sums, [32]);  // a sum by __syncwarp alone
  sums[lane] = value;
  __syncwarp();
  for (int half = 16; half; half /= 2) {
    const int32_t both = sums[lane] + sums[lane ^ half];
    __syncwarp();
    sums[lane] = both;
    __syncwarp();
  }
  put(10, sums[lane]);
}

__global__ void fragments_kernel(const uint16_t* x, uint32_t* out, bool transposed) {
  QLORA_SHARED_STATIC(uint16_t, matrices, [4][8][8]);
  const int lane = threadIdx.x;
  for (int i = lane; i < 256; i += 32) (&matrices[0][0][0])[i] = x[i];
  __syncwarp();
  uint32_t r[4], pair[2];
  const void* row = &matrices[lane / 8][lane % 8][0];
  if (transposed) ptx::ldmatrix_trans(r, row), ptx::ldmatrix_trans(pair, row);
  else ptx::ldmatrix(r, row), ptx::ldmatrix(pair, row);
  for (int i = 0; i < 4; ++i) out[lane * 4 + i] = r[i];
  for (int i = 0; i < 2; ++i) out[128 + lane * 2 + i] = pair[i];
}

unsigned blocks(int64_t n, int64_t each) { return unsigned((n + each - 1) / each); }
const bf16* as_bf16(const uint16_t* p) { return reinterpret_cast<const bf16*>(p); }

}  // namespace

Status add(const float* x, const float* y, float* z, int64_t n, Stream stream) {
  return launch(add_kernel, {.grid = blocks(n, 256), .block = 256, .stream = stream}, x, y, z, n);
}

Status exp2(const float* x, float* y, int64_t n, Stream stream) {
  return launch(exp2_kernel, {.grid = blocks(n, 256), .block = 256, .stream = stream}, x, y, n);
}

Status sum(const float* x, float* partial, float* result, int64_t n, Stream stream) {
  const unsigned parts = min(blocks(n, 1024), 256u);
  const Status first = launch(sum_kernel, {.grid = parts, .block = 256, .stream = stream}, x, partial, n);
  if (!first.ok()) return first;
  return launch(sum_kernel, {.grid = 1, .block = 256, .stream = stream}, partial, result, parts);
}

Status matmul(const uint16_t* a, const uint16_t* b, uint16_t* c, int m, int n, int k, Stream stream) {
  return launch(matmul_kernel, {.grid = {blocks(n, tile), blocks(m, tile)}, .block = 128, .shared = sizeof(Tiles), .stream = stream},
                as_bf16(a), as_bf16(b), reinterpret_cast<bf16*>(c), m, n, k);
}

Status matmul_s8(const int8_t* a, const int8_t* b, int32_t* c, int m, int n, int k, Stream stream) {
  return launch(matmul_s8_kernel, {.grid = {unsigned(n / 8), unsigned(m / 16)}, .block = 32, .stream = stream}, a, b, c, n, k);
}

Status warp(const int32_t* x, int32_t* out, int rows, Stream stream) {
  return launch(warp_kernel, {.grid = unsigned(rows), .block = 32, .stream = stream}, x, out, rows);
}

Status fragments(const uint16_t* x, uint32_t* out, bool transposed, Stream stream) {
  return launch(fragments_kernel, {.grid = 1, .block = 32, .stream = stream}, x, out, transposed);
}

}  // namespace sample
