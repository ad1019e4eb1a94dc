// matmul_neon.cc: the kernels of matmul_kernels.h for one instruction set.
#include "matmul_kernels.h"

namespace {
[[maybe_unused]] const bool registered =
    qlora::tables<qlora::MatmulKernels>.add(qlora::Simd::neon, &qlora::neon::matmul_kernels<qlora::neon::Portable8>);
}
