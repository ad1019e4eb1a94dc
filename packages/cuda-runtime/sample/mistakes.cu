// mistakes.cu: kernels that are wrong on purpose. The tests require the emulator to show each of them; never call them
// on a GPU.
#include "sample.h"

#include "qlora/cuda/kernel.h"

namespace sample {
namespace {

using namespace qlora;
using qlora::cuda::launch;

// y = x reversed within the block, without the barrier between writing and reading shared memory.
__global__ void barrier_missing(const float* x, float* y) {
  QLORA_SHARED_STATIC(float, s, [64]);
  s[threadIdx.x] = x[threadIdx.x];
  y[threadIdx.x] = s[63 - threadIdx.x];
}

// y = x by way of cp.async, without waiting for the copy.
__global__ void wait_missing(const float* x, float* y) {
  QLORA_SHARED(float, s);
  ptx::copy_async<4>(&s[threadIdx.x], &x[threadIdx.x]);
  ptx::copy_commit();
  __syncthreads();
  y[threadIdx.x] = s[63 - threadIdx.x];
}

__global__ void barrier_divergent(const float* x, float* y) {
  if (threadIdx.x % 2) {
    y[threadIdx.x] = x[threadIdx.x];
    __syncthreads();
  } else {
    __syncthreads();
    y[threadIdx.x] = x[threadIdx.x];
  }
}

// A shuffle of all lanes that lane 5 does not reach.
__global__ void lane_missing(const float* x, float* y) {
  float v = x[threadIdx.x];
  if (threadIdx.x != 5) v = __shfl_xor_sync(~0u, v, 1);
  else __syncwarp();
  y[threadIdx.x] = v;
}

// A sum within a warp as it was written before Volta: lanes are taken to move together.
__global__ void warp_unsynchronised(const float* x, float* y) {
  QLORA_SHARED_STATIC(volatile float, s, [64]);
  const int t = threadIdx.x;
  s[t] = x[t];
  if (t < 32) {
    s[t] = s[t] + s[t + 32];
    for (int half = 16; half; half /= 2)
      if (t < half) s[t] = s[t] + s[t + half];
  }
  if (t < 32) y[t] = s[0];
}

// y[i] = Σ over 8 rounds of x[(i + 20·round) % n], each round through shared memory. The barrier at the end of the loop is missing:
// a fast warp overwrites what a slow one still reads.
__global__ void end_of_loop_barrier_missing(const float* x, float* y, int n) {
  QLORA_SHARED_STATIC(float, s, [64]);
  const int t = threadIdx.x;
  float sum = 0;
  for (int round = 0; round < 8; ++round) {
    s[t] = x[(t + 20 * round) % n];
    __syncthreads();
    sum += s[63 - t];
  }
  y[63 - t] = sum;
}

// The same sum through two stages filled by cp.async, the next while this one is read. Without the barrier at the end of the
// loop a fast warp has its next copy overwrite the stage that a slow one still reads.
__global__ void pipeline_barrier_missing(const float* x, float* y, int n) {
  QLORA_SHARED_STATIC(float, s, [2][64]);
  const int t = threadIdx.x;
  float sum = 0;
  auto fetch = [&](int round) {
    ptx::copy_async<4>(&s[round % 2][t], &x[(t + 20 * round) % n]);
    ptx::copy_commit();
  };
  fetch(0);
  for (int round = 0; round < 8; ++round) {
    fetch(round + 1);
    ptx::copy_wait<1>();
    __syncthreads();
    sum += s[round % 2][63 - t];
  }
  y[63 - t] = sum;
}

__global__ void global_out_of_bounds(const float* x, float* y, int n) {
  const int i = threadIdx.x + 1;
  y[i] = x[i % n];
}
__global__ void shared_out_of_bounds(const float* x, float* y) {
  QLORA_SHARED(float, s);
  s[threadIdx.x + 1] = x[threadIdx.x];
  __syncthreads();
  y[threadIdx.x] = s[threadIdx.x];
}

// 16 bytes to an address that is a multiple of 4 only; then a matrix whose rows are so.
__global__ void copy_misaligned(const float* x) {
  QLORA_SHARED(float, s);
  if (threadIdx.x < 8) ptx::copy_async(&s[4 * threadIdx.x + 1], &x[4 * threadIdx.x]);
  ptx::copy_wait<0>();
}
__global__ void matrix_misaligned(float* y) {
  QLORA_SHARED(float, s);
  uint32_t r[2];
  ptx::ldmatrix(r, &s[threadIdx.x % 16 + 1]);
  y[threadIdx.x] = float(r[0]);
}

}  // namespace

Status mistake(Mistake which, const float* x, float* y, int n, Stream stream) {
  const cuda::Shape shape{.grid = 1, .block = 64, .shared = 256, .stream = stream};
  switch (which) {
    case Mistake::barrier_missing: return launch(barrier_missing, shape, x, y);
    case Mistake::wait_missing: return launch(wait_missing, shape, x, y);
    case Mistake::barrier_divergent: return launch(barrier_divergent, shape, x, y);
    case Mistake::lane_missing: return launch(lane_missing, shape, x, y);
    case Mistake::warp_unsynchronised: return launch(warp_unsynchronised, shape, x, y);
    case Mistake::end_of_loop_barrier_missing: return launch(end_of_loop_barrier_missing, shape, x, y, n);
    case Mistake::pipeline_barrier_missing: return launch(pipeline_barrier_missing, shape, x, y, n);
    case Mistake::global_out_of_bounds: return launch(global_out_of_bounds, shape, x, y, n);
    case Mistake::shared_out_of_bounds: return launch(shared_out_of_bounds, shape, x, y);
    case Mistake::copy_misaligned: return launch(copy_misaligned, shape, x);
    case Mistake::matrix_misaligned: return launch(matrix_misaligned, shape, y);
    case Mistake::too_much_shared: return launch(shared_out_of_bounds, {.grid = 1, .block = 64, .shared = 300000, .stream = stream}, x, y);
    case Mistake::too_many_threads:
    default: return launch(global_out_of_bounds, {.grid = 1, .block = 2048, .stream = stream}, x, y, n);
  }
}

}  // namespace sample
