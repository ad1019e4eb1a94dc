// matmul_avx2.cc: the kernels of matmul_kernels.h for one instruction set.
#include "matmul_kernels.h"
#include "qlora/gemm_int8_avx2.h"

namespace {
[[maybe_unused]] const bool registered =
    qlora::tables<qlora::MatmulKernels>.add(qlora::Simd::avx2, &qlora::avx2::matmul_kernels<qlora::avx2::Words8>);
}
