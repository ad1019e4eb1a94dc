// matmul_kernels.h: one block of a dense product, compiled once per instruction set.
#pragma once
#include "matmul.h"
#include "qlora/gemm.h"

namespace qlora::QLORA_SIMD {

inline void matmul_block(const Matmul& p, const GemmPlan& plan, const Block& block, float* scratch) {
  const bool across = p.product == Product::grad_weight;
  const Left left{p.left, p.product == Product::forward ? p.k : p.n, across};
  const Target y{p.out, plan.cols, p.alpha, p.accumulate};
  const auto run = [&](const auto& panel) { gemm_block(plan, block, left, panel, y, scratch); };
  if (p.product == Product::forward) {
    if (p.right) run(Transposed<float>{p.right, p.k});
    else run(Transposed<uint16_t>{p.right16, p.k});
  } else {
    if (p.right) run(Natural<float>{p.right, p.k});
    else run(Natural<uint16_t>{p.right16, p.k});
  }
}

inline constexpr MatmulKernels matmul_kernels{matmul_block};

}  // namespace qlora::QLORA_SIMD
