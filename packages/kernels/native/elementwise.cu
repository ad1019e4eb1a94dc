// elementwise.cu: add, scale, sum_squares, convert on a device (elementwise.h).
#include "eight.h"
#include "reduce.h"

namespace qlora::cuda {
namespace {

template <class T>
__global__ void __launch_bounds__(threads_per_block) add_kernel(const T* x, T* y, int64_t n, bool aligned) {
  const int64_t i = (int64_t(blockIdx.x) * threads_per_block + threadIdx.x) * 8;
  if (i >= n) return;
  float a[8], b[8];
  load(a, x + i, n - i, aligned);
  load(b, y + i, n - i, aligned);
#pragma unroll
  for (int j = 0; j < 8; ++j) b[j] += a[j];
  store(y + i, b, n - i, aligned);
}

template <class T>
__global__ void __launch_bounds__(threads_per_block) scale_kernel(T* x, float a, int64_t n, bool aligned) {
  const int64_t i = (int64_t(blockIdx.x) * threads_per_block + threadIdx.x) * 8;
  if (i >= n) return;
  float v[8];
  load(v, x + i, n - i, aligned);
#pragma unroll
  for (int j = 0; j < 8; ++j) v[j] *= a;
  store(x + i, v, n - i, aligned);
}

template <class T, class U>
__global__ void __launch_bounds__(threads_per_block) convert_kernel(const T* x, U* y, int64_t n, bool aligned) {
  const int64_t i = (int64_t(blockIdx.x) * threads_per_block + threadIdx.x) * 8;
  if (i >= n) return;
  float v[8];
  load(v, x + i, n - i, aligned);
  store(y + i, v, n - i, aligned);
}

// One sum a block, at sums[block].
template <class T>
__global__ void __launch_bounds__(threads_per_block) sum_squares_kernel(const T* x, float* sums, int64_t n, bool aligned) {
  float sum = 0, v[8];
  const int64_t step = int64_t(gridDim.x) * threads_per_block * 8;
  for (int64_t i = (int64_t(blockIdx.x) * threads_per_block + threadIdx.x) * 8; i < n; i += step) {
    load(v, x + i, n - i, aligned);
#pragma unroll
    for (int j = 0; j < 8; ++j) sum += v[j] * v[j];
  }
  sum = reduce_block(sum);
  if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}
__global__ void __launch_bounds__(sum_blocks) sum_blocks_kernel(float* sums, int count) {
  const float sum = reduce_block(int(threadIdx.x) < count ? sums[threadIdx.x] : 0);
  if (threadIdx.x == 0) sums[0] = sum;
}

}  // namespace

Status add(Floats x, Floats y, int64_t n, Stream stream) {
  if (n == 0) return {};
  return with_type(x, [&]<class T>(T* p) {
    return launch(add_kernel<T>, {.grid = blocks_of_eights(n), .block = threads_per_block, .stream = stream}, p, as<T>(y), n,
                  rows_aligned(8, p, as<T>(y)));
  });
}

Status scale(Floats x, float a, int64_t n, Stream stream) {
  if (n == 0) return {};
  return with_type(x, [&]<class T>(T* p) {
    return launch(scale_kernel<T>, {.grid = blocks_of_eights(n), .block = threads_per_block, .stream = stream}, p, a, n,
                  rows_aligned(8, p));
  });
}

Status convert(Floats x, Floats y, int64_t n, Stream stream) {
  if (n == 0) return {};
  return with_type(x, [&]<class T>(T* p) {
    return with_type(y, [&]<class U>(U* q) {
      return launch(convert_kernel<T, U>, {.grid = blocks_of_eights(n), .block = threads_per_block, .stream = stream}, p, q, n,
                    rows_aligned(8, p, q));
    });
  });
}

Status sum_squares(Floats x, float* sums, int64_t n, Stream stream) {
  const int count = n == 0 ? 1 : int(blocks_of_eights(n) < sum_blocks ? blocks_of_eights(n) : sum_blocks);
  return with_type(x, [&]<class T>(T* p) {
    const Status parts = launch(sum_squares_kernel<T>, {.grid = unsigned(count), .block = threads_per_block, .stream = stream}, p,
                                sums, n, rows_aligned(8, p));
    if (!parts.ok()) return parts;
    return launch(sum_blocks_kernel, {.grid = 1, .block = unsigned(sum_blocks), .stream = stream}, sums, count);
  });
}

}  // namespace qlora::cuda
