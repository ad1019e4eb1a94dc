// matmul.cu: the dense products on tensor cores.
#include "matmul_cuda.h"
#include "qlora/cuda/dense.h"

namespace qlora {

cuda::Status matmul_cuda(cuda::Product product, const cuda::DenseProduct& p, cuda::Stream stream) {
  using cuda::Product;
  switch (product) {
    case Product::forward:
      return p.m <= gemv_cuda_rows ? gemv_cuda(p, stream) : cuda::dense<Product::forward>(p, stream);
    case Product::transposed: return cuda::dense<Product::transposed>(p, stream);
    default: return cuda::dense<Product::grad_weight>(p, stream);
  }
}

}  // namespace qlora
