// matmul_scalar.cc: the kernels of matmul_kernels.h for one instruction set.
#include "matmul_kernels.h"

namespace {
[[maybe_unused]] const bool registered =
    qlora::tables<qlora::MatmulKernels>.add(qlora::Simd::scalar, &qlora::scalar::matmul_kernels<qlora::scalar::Portable8>);
}
