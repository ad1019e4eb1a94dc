// cross_entropy.cu: softmax cross-entropy of a row of logits and its gradient in place, on a device (cross_entropy.h): a
// block a row, which is read once for its largest value and the sum, once more for the gradient.
#include "eight.h"
#include "reduce.h"

namespace qlora::cuda {
namespace {

constexpr int row_threads = 512;
constexpr int32_t ignored = -100;  // PyTorch's ignore_index

struct Max {
  static constexpr float identity = -INFINITY;
  __device__ float operator()(float a, float b) const { return a > b ? a : b; }
};

template <class T>
__global__ void __launch_bounds__(row_threads) cross_entropy_kernel(T* logits, const int32_t* labels, float* losses, int64_t v,
                                                                    float scale, bool gradient, bool aligned) {
  const int64_t row = blockIdx.x, label = labels[row];
  logits += row * v;
  float x[8];
  if (label == ignored) {
    if (threadIdx.x == 0) losses[row] = 0;
#pragma unroll
    for (int j = 0; j < 8; ++j) x[j] = 0;
    if (gradient)
      for (int64_t i = threadIdx.x * 8; i < v; i += row_threads * 8) store(logits + i, x, v - i, aligned);
    return;
  }
  const bool valid = label >= 0 && label < v;
  const float own = valid ? element(logits[label]) : NAN;

  float top = -INFINITY, sum = 0;  // of this thread's elements: Σ e^(x - top)
  for (int64_t i = threadIdx.x * 8; i < v; i += row_threads * 8) {
    load(x, logits + i, v - i, aligned);
    const int n = int(v - i < 8 ? v - i : 8);
    float larger = top;
#pragma unroll
    for (int j = 0; j < 8; ++j) larger = j < n && x[j] > larger ? x[j] : larger;
    if (larger > top) sum *= __expf(top - larger), top = larger;
#pragma unroll
    for (int j = 0; j < 8; ++j) sum += j < n && x[j] != -INFINITY ? __expf(x[j] - top) : 0;
  }
  const float highest = reduce_block(top, Max{});
  sum = reduce_block(top == highest ? sum : sum * __expf(top - highest));
  if (threadIdx.x == 0) losses[row] = logf(sum) + (highest - own);
  if (!gradient) return;
  // The last barrier of reduce_block lies between reading the label's logit and overwriting it here.
  const float factor = valid ? scale / sum : NAN;
  for (int64_t i = threadIdx.x * 8; i < v; i += row_threads * 8) {
    load(x, logits + i, v - i, aligned);
#pragma unroll
    for (int j = 0; j < 8; ++j) x[j] = __expf(x[j] - highest) * factor - (i + j == label ? scale : 0);
    store(logits + i, x, v - i, aligned);
  }
}

}  // namespace

Status cross_entropy(Floats logits, const int32_t* labels, float* losses, int64_t m, int64_t v, float scale, bool gradient,
                     Stream stream) {
  if (m == 0) return {};
  return with_type(logits, [&]<class T>(T* p) {
    return launch(cross_entropy_kernel<T>, {.grid = unsigned(m), .block = row_threads, .stream = stream}, p, labels, losses, v, scale,
                  gradient, rows_aligned(v, p));
  });
}

}  // namespace qlora::cuda
