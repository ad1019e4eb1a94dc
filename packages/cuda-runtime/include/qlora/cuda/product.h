// product.h: a product of dense matrices on a device, as addons describe it. Plain C++.
#pragma once
#include <cstdint>

#include "status.h"

namespace qlora::cuda {

// With x [m, k], w [n, k], y [m, n], all row-major:
enum class Product {
  forward,      // y  [m, n] (+)= alpha · x · wᵀ
  transposed,   // dx [m, k] (+)= alpha · dy · w
  grad_weight,  // dw [n, k] (+)= alpha · dyᵀ · x
};

// A row-major matrix of f32 or bf16 on the device.
struct Matrix {
  void* data;
  bool f32;
};

struct DenseProduct {
  int64_t m, n, k;   // below 2^31
  float alpha;
  bool accumulate;   // add to out instead of overwriting it
  Matrix left;       // x, dy, dy
  Matrix right;      // w, w, x
  Matrix out;        // y, dx, dw
};

// Rows and columns of the result, and what is summed over.
struct ResultSize {
  int64_t rows, columns, depth;
};
constexpr ResultSize result_size(Product product, int64_t m, int64_t n, int64_t k) {
  if (product == Product::forward) return {m, n, k};
  if (product == Product::transposed) return {m, k, n};
  return {n, k, m};
}

}  // namespace qlora::cuda
