// matmul.cc: which dimension of a product is which, and its division over the threads.
#include "matmul.h"

namespace qlora {

namespace {
// A reduction as long as a vocabulary: no cache holds the rows of the left operand from one block to the next, so few wide blocks.
constexpr int64_t long_reduction = 16384;
constexpr Blocking wide{.chunk = 256, .panels = 11, .shares = 1};
constexpr Blocking wide8{.chunk = 512, .panels = 8, .few_panels = 8, .shares = 1};

void matmul8(const MatmulKernels& kernels, const Matmul& p) {
  const bool forward = p.product == Product::forward;
  const int64_t depth = forward ? p.k : p.n;
  const GemmPlan plan(p.m, depth, forward ? p.n : p.k, depth > long_reduction ? wide8 : forward ? int8_usual : int8_transposed);
  const int32_t* const left = quantize_rows(plan, p.left, false, kernels.dwords8, kernels.quantize_row);
  plan.run([&](const Block& block, float* scratch) { kernels.block8(p, plan, block, left, scratch); });
}
}  // namespace

void matmul(const Matmul& p) {
  const MatmulKernels& kernels = tables<MatmulKernels>.active();
  if (p.int8 && p.m > 0 && p.n > 0 && p.k > 0) return matmul8(kernels, p);
  if (p.product == Product::forward && p.m >= 1 && p.m <= gemv_rows) {
    const bool parallel = 2.0 * double(p.m) * double(p.n) * double(p.k) > GemmPlan::serial;
    const int64_t parts = parallel ? 4 * Pool::instance().threads() : 1;
    const int64_t columns = GemmPlan::ceil(GemmPlan::ceil(p.n, parts), 4) * 4;
    return parallel_if(parallel, GemmPlan::ceil(p.n, columns), [&](int64_t i) {
      kernels.gemv(p, i * columns, std::min(p.n, (i + 1) * columns));
    });
  }
  const bool forward = p.product == Product::forward, gradient = p.product == Product::grad_weight;
  const int64_t depth = forward ? p.k : gradient ? p.m : p.n;
  const GemmPlan plan(gradient ? p.n : p.m, depth, forward ? p.n : p.k, depth > long_reduction ? wide : Blocking{});
  plan.run([&](const Block& block, float* scratch) { kernels.block(p, plan, block, scratch); });
}

}  // namespace qlora
