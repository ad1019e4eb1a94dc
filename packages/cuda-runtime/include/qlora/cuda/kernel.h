// kernel.h: the one header that .cu files include: CUDA under nvcc, the emulator under any other compiler.
//
//   __global__ void scale(float* y, float a, int n) { … }
//   qlora::cuda::Status scale(float* y, float a, int n, Stream stream) {
//     return launch(scale, {.grid = (n + 255) / 256, .block = 256, .stream = stream}, y, a, n);
//   }
// docs/writing-kernels.md has the rules.
#pragma once
#include <cstdint>

#include "status.h"
#if defined(__CUDACC__)
#include "kernel_cuda.h"
#else
#include "kernel_emu.h"
#endif
#include "bf16.h"
