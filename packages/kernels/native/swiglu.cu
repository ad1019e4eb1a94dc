// swiglu.cu: SwiGLU and its backward on a device (swiglu.h).
#include "eight.h"

namespace qlora::cuda {
namespace {

__device__ float sigmoid(float g) { return 1.0f / (1.0f + __expf(-g)); }

template <class T>
__global__ void __launch_bounds__(threads_per_block) swiglu_kernel(const T* gate, const T* up, T* y, int64_t n, bool aligned) {
  const int64_t i = (int64_t(blockIdx.x) * threads_per_block + threadIdx.x) * 8;
  if (i >= n) return;
  float g[8], u[8];
  load(g, gate + i, n - i, aligned);
  load(u, up + i, n - i, aligned);
#pragma unroll
  for (int j = 0; j < 8; ++j) g[j] = g[j] * sigmoid(g[j]) * u[j];
  store(y + i, g, n - i, aligned);
}

// No __restrict__: outputs may be inputs, whose elements this thread has then read.
template <class T>
__global__ void __launch_bounds__(threads_per_block)
    swiglu_backward_kernel(const T* dy, const T* gate, const T* up, T* dgate, T* dup, int64_t n, bool aligned) {
  const int64_t i = (int64_t(blockIdx.x) * threads_per_block + threadIdx.x) * 8;
  if (i >= n) return;
  float d[8], g[8], u[8];
  load(d, dy + i, n - i, aligned);
  load(g, gate + i, n - i, aligned);
  load(u, up + i, n - i, aligned);
#pragma unroll
  for (int j = 0; j < 8; ++j) {
    const float s = sigmoid(g[j]);
    u[j] *= d[j] * s * (1.0f + g[j] * (1.0f - s));
    g[j] *= d[j] * s;
  }
  store(dgate + i, u, n - i, aligned);
  store(dup + i, g, n - i, aligned);
}

}  // namespace

Status swiglu(Floats gate, Floats up, Floats y, int64_t n, Stream stream) {
  if (n == 0) return {};
  return with_type(gate, [&]<class T>(T* p) {
    return launch(swiglu_kernel<T>, {.grid = blocks_of_eights(n), .block = threads_per_block, .stream = stream}, p, as<T>(up),
                  as<T>(y), n, rows_aligned(8, p, as<T>(up), as<T>(y)));
  });
}

Status swiglu_backward(Floats dy, Floats gate, Floats up, Floats dgate, Floats dup, int64_t n, Stream stream) {
  if (n == 0) return {};
  return with_type(gate, [&]<class T>(T* p) {
    return launch(swiglu_backward_kernel<T>, {.grid = blocks_of_eights(n), .block = threads_per_block, .stream = stream}, as<T>(dy),
                  p, as<T>(up), as<T>(dgate), as<T>(dup), n, rows_aligned(8, as<T>(dy), p, as<T>(up), as<T>(dgate), as<T>(dup)));
  });
}

}  // namespace qlora::cuda
