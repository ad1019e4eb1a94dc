// no_cuda.cc: stands in for the kernels where there is no nvcc.
#include "cuda.h"

namespace qlora::cuda {
namespace {
constexpr Status none{100, "cudaErrorNoDevice", "this addon was built without CUDA"};
}  // namespace

Status step(const optim::Step&, Stream) { return none; }
Status sum_squares(const float*, int64_t, double*, double*, Stream) { return none; }
Status scale(float*, float, int64_t, Stream) { return none; }
Status widen(const uint16_t*, float*, int64_t, Stream) { return none; }

}  // namespace qlora::cuda
