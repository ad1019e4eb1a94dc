// rms_norm.cu: RMSNorm and its backward on a device (rms_norm.h): a block a row.
#include "eight.h"
#include "reduce.h"

namespace qlora::cuda {
namespace {

constexpr int row_threads = 128;

template <class T>
__global__ void __launch_bounds__(row_threads)
    rms_norm_kernel(const T* x, const float* weight, T* y, float* inv_rms, int64_t d, float eps, bool aligned) {
  const int64_t row = blockIdx.x;
  x += row * d, y += row * d;
  float squares = 0, v[8], w[8];
  for (int64_t i = threadIdx.x * 8; i < d; i += row_threads * 8) {
    load(v, x + i, d - i, aligned);
#pragma unroll
    for (int j = 0; j < 8; ++j) squares += v[j] * v[j];
  }
  const float inv = 1.0f / sqrtf(reduce_block(squares) / float(d) + eps);
  if (threadIdx.x == 0) inv_rms[row] = inv;
  for (int64_t i = threadIdx.x * 8; i < d; i += row_threads * 8) {
    load(v, x + i, d - i, aligned);
    load(w, weight + i, d - i, aligned);
#pragma unroll
    for (int j = 0; j < 8; ++j) v[j] *= inv * w[j];
    store(y + i, v, d - i, aligned);
  }
}

template <class T>
__global__ void __launch_bounds__(row_threads) rms_norm_backward_kernel(const T* dy, const T* x, const float* weight,
                                                                        const float* inv_rms, T* dx, int64_t d, bool aligned) {
  const int64_t row = blockIdx.x;
  dy += row * d, x += row * d, dx += row * d;
  float dot = 0, dv[8], v[8], w[8];
  for (int64_t i = threadIdx.x * 8; i < d; i += row_threads * 8) {
    load(dv, dy + i, d - i, aligned);
    load(v, x + i, d - i, aligned);
    load(w, weight + i, d - i, aligned);
#pragma unroll
    for (int j = 0; j < 8; ++j) dot += dv[j] * w[j] * v[j];
  }
  const float inv = inv_rms[row];
  const float along = -(reduce_block(dot) / float(d)) * inv * inv * inv;
  for (int64_t i = threadIdx.x * 8; i < d; i += row_threads * 8) {
    float sum[8];
    load(dv, dy + i, d - i, aligned);
    load(v, x + i, d - i, aligned);
    load(w, weight + i, d - i, aligned);
    load(sum, dx + i, d - i, aligned);
#pragma unroll
    for (int j = 0; j < 8; ++j) sum[j] += dv[j] * w[j] * inv + v[j] * along;
    store(dx + i, sum, d - i, aligned);
  }
}

// dweight += Σ rows dy · x · inv_rms: a block for 32 columns, whose 32 warps take every 32nd row.
template <class T>
__global__ void __launch_bounds__(1024)
    rms_norm_backward_weight_kernel(const T* dy, const T* x, const float* inv_rms, float* dweight, int64_t m, int64_t d) {
  QLORA_SHARED_STATIC(float, sums, [32][33]);
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const int64_t column = int64_t(blockIdx.x) * 32 + lane;
  float sum = 0;
  if (column < d)
    for (int64_t row = warp; row < m; row += 32)
      sum += element(dy[row * d + column]) * (element(x[row * d + column]) * inv_rms[row]);
  sums[warp][lane] = sum;
  __syncthreads();
  sum = reduce_warp(sums[lane][warp]);
  const int64_t reduced = int64_t(blockIdx.x) * 32 + warp;
  if (lane == 0 && reduced < d) dweight[reduced] += sum;
}

}  // namespace

Status rms_norm(Floats x, const float* weight, Floats y, float* inv_rms, int64_t m, int64_t d, float eps, Stream stream) {
  if (m == 0) return {};
  return with_type(x, [&]<class T>(T* p) {
    return launch(rms_norm_kernel<T>, {.grid = unsigned(m), .block = row_threads, .stream = stream}, p, weight, as<T>(y), inv_rms, d,
                  eps, rows_aligned(d, p, as<T>(y), weight));
  });
}

Status rms_norm_backward(Floats dy, Floats x, const float* weight, const float* inv_rms, Floats dx, float* dweight, int64_t m,
                         int64_t d, Stream stream) {
  if (m == 0 || d == 0) return {};
  return with_type(x, [&]<class T>(T* p) {
    const Status rows =
        launch(rms_norm_backward_kernel<T>, {.grid = unsigned(m), .block = row_threads, .stream = stream}, as<T>(dy), p, weight,
               inv_rms, as<T>(dx), d, rows_aligned(d, as<T>(dy), p, weight, as<T>(dx)));
    if (!rows.ok() || !dweight) return rows;
    return launch(rms_norm_backward_weight_kernel<T>, {.grid = unsigned((d + 31) / 32), .block = 1024, .stream = stream},
                  as<T>(dy), p, inv_rms, dweight, m, d);
  });
}

}  // namespace qlora::cuda
