// nested.cu: double quantisation on a device: the mean of the scales, and their 8-bit codes.
#include "decode.h"
#include "reciprocal.h"

namespace qlora::nf4 {
namespace {

using cuda::launch;

constexpr int threads = 256;

// Groups of 256 in eight lanes each: lane j sums elements j, j + 8, …, then the lanes are added in order.
__global__ void __launch_bounds__(threads) group_sums_kernel(const float* x, int64_t n, double* sums) {
  const int64_t group = (int64_t(blockIdx.x) * threads + threadIdx.x) / 8, begin = group * 256, end = min(n, begin + 256);
  double mine = 0;
  for (int64_t i = begin + threadIdx.x % 8; i < end; i += 8) mine += x[i];
  double sum = 0;
  for (int lane = 0; lane < 8; ++lane) sum += __shfl_sync(~0u, mine, lane, 8);
  if (begin < n && threadIdx.x % 8 == 0) sums[group] = sum;
}
__global__ void mean_kernel(const double* sums, int64_t groups, int64_t n, float* mean) {
  double total = 0;
  for (int64_t i = 0; i < groups; ++i) total += sums[i];
  *mean = n ? float(total / double(n)) : 0;
}

// A CUDA block for each block of 256 values.
__global__ void __launch_bounds__(256) quantize_blockwise_kernel(const float* x, int64_t n, const float* map, const float* offset,
                                                                float* absmax, uint8_t* codes) {
  QLORA_SHARED_STATIC(float, pivots, [256]);
  QLORA_SHARED_STATIC(int, largest, [8]);
  const int t = threadIdx.x;
  const int64_t i = int64_t(blockIdx.x) * 256 + t;
  if (t < 255) pivots[t] = float((double(map[t]) + double(map[t + 1])) / 2);
  const float centred = i < n ? __fadd_rn(x[i], -*offset) : 0.0f;
  const int magnitude = __reduce_max_sync(~0u, int(__float_as_uint(centred) & 0x7fffffffu));
  if (t % 32 == 0) largest[t / 32] = magnitude;
  __syncthreads();
  int all = 0;
#pragma unroll
  for (int w = 0; w < 8; ++w) all = max(all, largest[w]);
  const float scale = __int_as_float(all);
  if (t == 0) absmax[blockIdx.x] = scale;
  if (i >= n) return;
  const float v = Reciprocal(scale)(centred);
  int rank = 0;
#pragma unroll
  for (int step = 128; step; step /= 2) rank += v > pivots[rank + step - 1] ? step : 0;
  codes[i] = uint8_t(rank);
}

unsigned grid(int64_t n, int64_t per_block) { return unsigned((n + per_block - 1) / per_block); }

}  // namespace

Status mean(const float* x, int64_t n, double* sums, float* mean, Stream stream) {
  const int64_t groups = (n + 255) / 256;
  if (n > 0) {
    const cuda::Shape shape{.grid = grid(8 * groups, threads), .block = threads, .stream = stream};
    const Status status = launch(group_sums_kernel, shape, x, n, sums);
    if (!status.ok()) return status;
  }
  return launch(mean_kernel, {.grid = 1, .block = 1, .stream = stream}, sums, groups, n, mean);
}

Status quantize_blockwise(const float* x, int64_t n, const float* map, const float* offset, float* absmax, uint8_t* codes, Stream stream) {
  if (n == 0) return {};
  return launch(quantize_blockwise_kernel, {.grid = grid(n, 256), .block = 256, .stream = stream}, x, n, map, offset, absmax, codes);
}

}  // namespace qlora::nf4
