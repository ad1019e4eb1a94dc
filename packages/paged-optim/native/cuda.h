// cuda.h: the optimiser kernels on a device: device pointers in, a Status out, queued on the stream. The same bits as the
// CPU's with fused multiply-adds, sums of squares apart, whose order differs; the same bits on every run.
#pragma once
#include "qlora/cuda/status.h"
#include "step.h"

namespace qlora::cuda {

// In place, one pass over memory. hyper, random and first are values, everything else is on the device.
Status step(const optim::Step& step, Stream stream);

// *sum = Σ x² of x [n], squared and summed in f64: finite exactly when every x is. partial [sum_parts] is scratch.
Status sum_squares(const float* x, int64_t n, double* partial, double* sum, Stream stream);
inline constexpr int sum_parts = 256;

// x *= a
Status scale(float* x, float a, int64_t n, Stream stream);

// bf16 x [n] to f32 y [n]
Status widen(const uint16_t* x, float* y, int64_t n, Stream stream);

}  // namespace qlora::cuda
