// gemv.cu: y [m, n] (+)= alpha · x [m, k] · w [n, k]ᵀ for a few rows of x, as fast as w comes from memory.
#include "matmul_cuda.h"
#include "qlora/cuda/kernel.h"

namespace qlora {
namespace {

constexpr int warps = 4, resident = 8, rows_max = int(gemv_cuda_rows);

// Elements at … at + 7 of a row of k, zeros after its end. `whole`: rows begin at multiples of 16 bytes.
__device__ void load8(const float* row, int at, int k, bool whole, float (&v)[8]) {
  if (whole && at + 8 <= k) {
    const float4 a = *reinterpret_cast<const float4*>(row + at), b = *reinterpret_cast<const float4*>(row + at + 4);
    v[0] = a.x, v[1] = a.y, v[2] = a.z, v[3] = a.w, v[4] = b.x, v[5] = b.y, v[6] = b.z, v[7] = b.w;
    return;
  }
#pragma unroll
  for (int i = 0; i < 8; ++i) v[i] = at + i < k ? row[at + i] : 0.0f;
}
__device__ void load8(const bf16* row, int at, int k, bool whole, float (&v)[8]) {
  if (whole && at + 8 <= k) {
    const uint4 a = *reinterpret_cast<const uint4*>(row + at);
    const uint32_t pairs[4] = {a.x, a.y, a.z, a.w};
#pragma unroll
    for (int i = 0; i < 4; ++i) v[2 * i] = widen_low(pairs[i]), v[2 * i + 1] = widen_high(pairs[i]);
    return;
  }
#pragma unroll
  for (int i = 0; i < 8; ++i) v[i] = at + i < k ? widen(row[at + i]) : 0.0f;
}

// A warp makes one column of y; lanes take eight elements of k in turn. `resident` blocks on a multiprocessor are 64 registers a
// thread: left to itself, the compiler spills to have more of them.
template <class X, class W>
__global__ void __launch_bounds__(32 * warps, resident) gemv_kernel(const X* x, const W* w, void* y, bool f32, int m, int n, int k,
                                                                    float alpha, bool accumulate) {
  const int lane = threadIdx.x % 32, column = blockIdx.x * warps + threadIdx.x / 32;
  if (column >= n) return;
  const W* row = w + int64_t(column) * k;
  const bool whole_x = k % 8 == 0 && uintptr_t(x) % 16 == 0, whole_w = k % 8 == 0 && uintptr_t(w) % 16 == 0;
  float sums[rows_max] = {};
#pragma unroll 2
  for (int at = 8 * lane; at < k; at += 256) {
    float a[8];
    load8(row, at, k, whole_w, a);
#pragma unroll
    for (int i = 0; i < rows_max; ++i) {
      if (i >= m) continue;
      float b[8];
      load8(x + int64_t(i) * k, at, k, whole_x, b);
#pragma unroll
      for (int j = 0; j < 8; ++j) sums[i] += a[j] * b[j];
    }
  }
#pragma unroll
  for (int i = 0; i < rows_max; ++i) {
#pragma unroll
    for (int half = 16; half; half /= 2) sums[i] += __shfl_xor_sync(~0u, sums[i], half);
    if (lane != 0 || i >= m) continue;
    const int64_t at = int64_t(i) * n + column;
    const float value = alpha * sums[i];
    if (f32) {
      float& out = static_cast<float*>(y)[at];
      out = accumulate ? out + value : value;
    } else {
      bf16& out = static_cast<bf16*>(y)[at];
      out.bits = ptx::round_bf16(accumulate ? widen(out) + value : value);
    }
  }
}

template <class X, class W>
cuda::Status run(const cuda::DenseProduct& p, cuda::Stream stream) {
  const unsigned blocks = unsigned((p.n + warps - 1) / warps);
  return cuda::launch(gemv_kernel<X, W>, {.grid = blocks, .block = 32 * warps, .stream = stream}, static_cast<const X*>(p.left.data),
                      static_cast<const W*>(p.right.data), p.out.data, p.out.f32, int(p.m), int(p.n), int(p.k), p.alpha,
                      p.accumulate);
}

}  // namespace

cuda::Status gemv_cuda(const cuda::DenseProduct& p, cuda::Stream stream) {
  if (p.m == 0 || p.n == 0) return {};
  if (p.left.f32) return p.right.f32 ? run<float, float>(p, stream) : run<float, bf16>(p, stream);
  return p.right.f32 ? run<bf16, float>(p, stream) : run<bf16, bf16>(p, stream);
}

}  // namespace qlora
