// matmul_avx512.cc: the kernels of matmul_kernels.h for one instruction set.
#include "matmul_kernels.h"
#include "qlora/gemm_int8_avx512.h"

namespace {
[[maybe_unused]] const bool registered =
    qlora::tables<qlora::MatmulKernels>.add(qlora::Simd::avx512, &qlora::avx512::matmul_kernels<qlora::avx512::Vnni8>);
}
