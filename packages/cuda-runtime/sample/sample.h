// sample.h: kernels to learn from, one for each thing a kernel may use; the emulator's own tests. Pointers are the device's.
// Sizes are in elements; matrices are row-major.
#pragma once
#include <cstdint>

#include "qlora/cuda/status.h"

namespace sample {

using qlora::cuda::Status;
using qlora::cuda::Stream;

// z = x + y.
Status add(const float* x, const float* y, float* z, int64_t n, Stream stream);

// y = 2^x, to 2 ulp; 0 where that is below 2^-126.
Status exp2(const float* x, float* y, int64_t n, Stream stream);

// *result = Σ x, in a fixed order: the same bits on every run. partial [256] is scratch.
Status sum(const float* x, float* partial, float* result, int64_t n, Stream stream);

// c [m, n] = a [m, k] · b [n, k]ᵀ; bf16 in and out, f32 sums, on tensor cores. k is a multiple of 32 and n of 2.
Status matmul(const uint16_t* a, const uint16_t* b, uint16_t* c, int m, int n, int k, Stream stream);

// c [m, n] = a [m, k] · b [n, k]ᵀ; int8 in, int32 out, on tensor cores. m is a multiple of 16, n of 8, k of 32.
Status matmul_s8(const int8_t* a, const int8_t* b, int32_t* c, int m, int n, int k, Stream stream);

// out [11, rows, 32]: what each lane gets from eleven warp operations (see sample.cu) on a row of x [rows, 32].
Status warp(const int32_t* x, int32_t* out, int rows, Stream stream);

// The 8×8 matrices in x [4, 8, 8] as ldmatrix hands them to the lanes, 16-bit elements in pairs: out [32, 4] from all four of
// them, and after it [32, 2] from the first two.
Status fragments(const uint16_t* x, uint32_t* out, bool transposed, Stream stream);

// Wrong in the way its name says, each in its own (see mistakes.cu). x [n] → y [n].
enum class Mistake {
  barrier_missing, wait_missing, barrier_divergent, lane_missing, warp_unsynchronised, end_of_loop_barrier_missing,
  pipeline_barrier_missing, global_out_of_bounds, shared_out_of_bounds, copy_misaligned, matrix_misaligned, too_much_shared,
  too_many_threads, count
};
Status mistake(Mistake which, const float* x, float* y, int n, Stream stream);

}  // namespace sample
