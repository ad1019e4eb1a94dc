// reduce.h: device code that reduces a value over a warp or a block, in an order that depends on nothing but their size.
#pragma once
#include "qlora/cuda/kernel.h"

namespace qlora::cuda {

struct Sum {
  static constexpr float identity = 0;
  __device__ float operator()(float a, float b) const { return a + b; }
};

// Every lane gets the result.
template <class F = Sum>
__device__ inline float reduce_warp(float x, F f = {}) {
#pragma unroll
  for (int lanes = 16; lanes; lanes /= 2) x = f(x, __shfl_xor_sync(~0u, x, lanes));
  return x;
}

// Every thread of a block of whole warps gets the result. A barrier comes first, so that it can be called again.
template <class F = Sum>
__device__ inline float reduce_block(float x, F f = {}) {
  QLORA_SHARED_STATIC(float, parts, [32]);
  const int lane = threadIdx.x % 32, warps = (blockDim.x + 31) / 32;
  x = reduce_warp(x, f);
  __syncthreads();
  if (lane == 0) parts[threadIdx.x / 32] = x;
  __syncthreads();
  return reduce_warp(lane < warps ? parts[lane] : F::identity, f);
}

}  // namespace qlora::cuda
