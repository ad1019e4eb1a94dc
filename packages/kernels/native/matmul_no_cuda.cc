// matmul_no_cuda.cc: stands in for the dense products on a device where there is no nvcc.
#include "matmul_cuda.h"

namespace qlora {
namespace {
constexpr cuda::Status none{100, "cudaErrorNoDevice", "this addon was built without CUDA"};
}  // namespace

cuda::Status matmul_cuda(cuda::Product, const cuda::DenseProduct&, cuda::Stream) { return none; }

}  // namespace qlora
