// matmul.cc: which dimension of a product is which, and its division over the threads.
#include "matmul.h"

namespace qlora {

void matmul(const Matmul& p) {
  const bool forward = p.product == Product::forward, gradient = p.product == Product::grad_weight;
  const GemmPlan plan(gradient ? p.n : p.m, forward ? p.k : gradient ? p.m : p.n, forward ? p.n : p.k);
  const MatmulKernels& kernels = tables<MatmulKernels>.active();
  plan.run([&](const Block& block, float* scratch) { kernels.block(p, plan, block, scratch); });
}

}  // namespace qlora
