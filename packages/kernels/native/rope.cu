// rope.cu: rotary position embedding on a device, in place (rope.h): a thread for eight pairs of a head.
#include "eight.h"

namespace qlora::cuda {
namespace {

template <class T>
__global__ void __launch_bounds__(threads_per_block)
    rope_kernel(T* x, const int32_t* positions, const float* cos, const float* sin, int64_t groups, int64_t heads, int half,
                int64_t rows, float sign, bool aligned) {
  const int64_t group = int64_t(blockIdx.x) * threads_per_block + threadIdx.x;
  if (group >= groups) return;
  const int per_head = (half + 7) / 8;
  const int64_t head = group / per_head;
  const int i = int(group % per_head) * 8, n = half - i;
  const int64_t position = positions[head / heads];
  T *first = x + head * 2 * half + i, *second = first + half;
  float a[8], b[8], c[8], s[8];
  load(a, first, n, aligned);
  load(b, second, n, aligned);
  if (position >= 0 && position < rows) {
    load(c, cos + position * half + i, n, aligned);
    load(s, sin + position * half + i, n, aligned);
  } else {
#pragma unroll
    for (int j = 0; j < 8; ++j) c[j] = s[j] = NAN;
  }
#pragma unroll
  for (int j = 0; j < 8; ++j) {
    const float turned = a[j] * c[j] - b[j] * (sign * s[j]);
    b[j] = b[j] * c[j] + a[j] * (sign * s[j]);
    a[j] = turned;
  }
  store(first, a, n, aligned);
  store(second, b, n, aligned);
}

}  // namespace

Status rope(Floats x, const int32_t* positions, const float* cos, const float* sin, int64_t m, int64_t heads, int64_t head_dim,
            int64_t rows, bool inverse, Stream stream) {
  const int half = int(head_dim / 2);
  const int64_t groups = m * heads * ((half + 7) / 8);
  if (groups == 0) return {};
  return with_type(x, [&]<class T>(T* p) {
    return launch(rope_kernel<T>,
                  {.grid = unsigned((groups + threads_per_block - 1) / threads_per_block), .block = threads_per_block, .stream = stream},
                  p, positions, cos, sin, groups, heads, half, rows, inverse ? -1.0f : 1.0f, rows_aligned(half, p, cos, sin));
  });
}

}  // namespace qlora::cuda
