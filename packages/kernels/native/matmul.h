// matmul.h: the dense products of a linear layer y = x·wᵀ and of its backward. Everything row-major; x [m, k], w [n,
// k], y [m, n].
#pragma once
#include <cstdint>

#include "qlora/gemm_plan.h"
#include "qlora/simd.h"

namespace qlora {

enum class Product {
  forward,      // y  [m, n] (+)= alpha · x · wᵀ
  transposed,   // dx [m, k] (+)= alpha · dy · w
  grad_weight,  // dw [n, k] (+)= alpha · dyᵀ · x
};

struct Matmul {
  Product product;
  int64_t m, n, k;
  float alpha;
  bool accumulate;         // add to out instead of overwriting it
  const float* left;       // x, dy, dy
  const float* right;      // w, w, x; null when w is bf16
  const uint16_t* right16; // w in bf16 (forward and transposed)
  float* out;
};

void matmul(const Matmul&);

// What each instruction set provides.
struct MatmulKernels {
  // One block of the product.
  void (*block)(const Matmul&, const GemmPlan&, const Block&, float* scratch);
  // Columns begin … end of a forward product with m ≤ gemv_rows.
  void (*gemv)(const Matmul&, int64_t begin, int64_t end);
};
constexpr int64_t gemv_rows = 4;

}  // namespace qlora
