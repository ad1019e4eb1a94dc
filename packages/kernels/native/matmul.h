// matmul.h: the dense products of a linear layer y = x·wᵀ and of its backward. Everything row-major; x [m, k], w [n,
// k], y [m, n].
#pragma once
#include <cstdint>

#include "qlora/int8.h"
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
  bool int8;               // both operands in 8 bits (qlora/gemm_int8.h); forward and transposed
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
  // The same in 8 bits, and a row of the left operand for it: dwords8 a group.
  void (*block8)(const Matmul&, const GemmPlan&, const Block&, const int32_t* left, float* scratch);
  void (*quantize_row)(const float*, int64_t depth, bool interleaved, int32_t* out);
  int64_t dwords8;
  // Columns begin … end of a forward product with m ≤ gemv_rows.
  void (*gemv)(const Matmul&, int64_t begin, int64_t end);
};
constexpr int64_t gemv_rows = 4;

}  // namespace qlora
