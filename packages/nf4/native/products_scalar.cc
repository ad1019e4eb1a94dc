// products_scalar.cc: the kernels of products_kernels.h and int8_kernels.h for one instruction set.
#include "int8_kernels.h"

namespace {
[[maybe_unused]] const bool registered =
    qlora::tables<qlora::ProductKernels>.add(qlora::Simd::scalar, &qlora::scalar::portable_kernels<qlora::scalar::Panels>);
}
