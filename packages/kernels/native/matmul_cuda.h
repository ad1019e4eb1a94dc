// matmul_cuda.h: the dense products of a linear layer on a device; matmul.h is their CPU form. Operands are f32 or bf16 and are
// multiplied as bf16; sums are f32, in an order that depends on the sizes alone. Products of few rows (m ≤ gemv_cuda_rows, forward)
// multiply f32 operands as they are.
#pragma once
#include "qlora/cuda/product.h"

namespace qlora {

cuda::Status matmul_cuda(cuda::Product product, const cuda::DenseProduct&, cuda::Stream);

// The forward product for 1 ≤ m ≤ gemv_rows: each row of w is read once.
constexpr int64_t gemv_cuda_rows = 4;
cuda::Status gemv_cuda(const cuda::DenseProduct&, cuda::Stream);

}  // namespace qlora
