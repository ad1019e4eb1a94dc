// norm.cu: the sum of squares in f64 and in one fixed order, scaling in place, and widening, on a device.
#include "cuda.h"
#include "qlora/cuda/kernel.h"

namespace qlora::cuda {
namespace {

constexpr int threads = 256;
unsigned blocks(int64_t n, int64_t each, int64_t most) {
  const int64_t count = (n + each - 1) / each;
  return unsigned(count < 1 ? 1 : count < most ? count : most);
}

// The block's sum of `mine`, in thread 0.
__device__ double sum_block(double mine) {
  QLORA_SHARED_STATIC(double, tree, [threads]);
  const int t = threadIdx.x;
  tree[t] = mine;
  for (int half = threads / 2; half; half /= 2) {
    __syncthreads();
    if (t < half) tree[t] += tree[t + half];
  }
  return tree[t];
}

__global__ void __launch_bounds__(threads) sum_squares_kernel(const float* x, int64_t n, double* sums) {
  double mine = 0;
  for (int64_t i = int64_t(blockIdx.x) * threads + threadIdx.x; i < n; i += int64_t(gridDim.x) * threads)
    mine += double(x[i]) * double(x[i]);
  const double sum = sum_block(mine);
  if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}
__global__ void __launch_bounds__(threads) sum_parts_kernel(const double* partial, int parts, double* sum) {
  const double whole = sum_block(int(threadIdx.x) < parts ? partial[threadIdx.x] : 0);
  if (threadIdx.x == 0) *sum = whole;
}

__global__ void __launch_bounds__(threads) scale_kernel(float* x, float a, int64_t n) {
  for (int64_t i = int64_t(blockIdx.x) * threads + threadIdx.x; i < n; i += int64_t(gridDim.x) * threads) x[i] *= a;
}
__global__ void __launch_bounds__(threads) widen_kernel(const uint16_t* x, float* y, int64_t n) {
  for (int64_t i = int64_t(blockIdx.x) * threads + threadIdx.x; i < n; i += int64_t(gridDim.x) * threads)
    y[i] = __uint_as_float(uint32_t(x[i]) << 16);
}

}  // namespace

Status sum_squares(const float* x, int64_t n, double* partial, double* sum, Stream stream) {
  static_assert(sum_parts <= threads);
  const unsigned parts = blocks(n, 16 * threads, sum_parts);
  const Status status = launch(sum_squares_kernel, {.grid = parts, .block = threads, .stream = stream}, x, n, parts == 1 ? sum : partial);
  if (parts == 1 || !status.ok()) return status;
  return launch(sum_parts_kernel, {.grid = 1, .block = threads, .stream = stream}, partial, int(parts), sum);
}

Status scale(float* x, float a, int64_t n, Stream stream) {
  return launch(scale_kernel, {.grid = blocks(n, 4 * threads, 2048), .block = threads, .stream = stream}, x, a, n);
}

Status widen(const uint16_t* x, float* y, int64_t n, Stream stream) {
  return launch(widen_kernel, {.grid = blocks(n, 4 * threads, 2048), .block = threads, .stream = stream}, x, y, n);
}

}  // namespace qlora::cuda
