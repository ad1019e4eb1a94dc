// dense.h: products of dense matrices: by cuBLAS, or by the tile loop with the tiles and panels that suit. For .cu files.
#pragma once
#include "cublas.h"
#include "gemm.h"

namespace qlora::cuda {

template <Product product>
Status dense(const DenseProduct& p, Stream stream) {
  if (cublas::takes(p)) return cublas::gemm(product, p, current_device(), stream);
  constexpr bool left_across = product == Product::grad_weight, right_across = product != Product::forward;
  const auto [rows, columns, depth] = result_size(product, p.m, p.n, p.k);
  const gemm::Dense left{p.left.data, int(rows), int(depth), p.left.f32}, right{p.right.data, int(columns), int(depth), p.right.f32};
  const gemm::Output out{p.out.data, int(rows), int(columns), p.out.f32, p.alpha, p.accumulate};
  if (left.chunked(left_across) && right.chunked(right_across)) {
    if (gemm::fills_large(rows, columns))
      return gemm::launch_gemm<gemm::Large, left_across, right_across, gemm::Copied, gemm::Copied>(left, right, int(depth), out, stream);
    return gemm::launch_gemm<gemm::Small, left_across, right_across, gemm::Copied, gemm::Copied>(left, right, int(depth), out, stream);
  }
  return gemm::launch_gemm<gemm::Small, left_across, right_across, gemm::Loaded, gemm::Loaded>(left, right, int(depth), out, stream);
}

}  // namespace qlora::cuda
