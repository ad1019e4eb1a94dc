// blas.h: OpenBLAS where this machine has it, opened at run time.
#pragma once
#include <cstdint>

// True when libopenblas was found. `threads` applies to later calls.
bool blas_open(int threads);
// y [m, n] = x [m, k]·wᵀ, or with `transposed` y [m, k] = x [m, n]·w, for w [n, k].
void blas_sgemm(bool transposed, int m, int n, int k, const float* x, const float* w, float* y);
