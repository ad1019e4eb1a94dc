// products_scalar.cc: the kernels of products_kernels.h and int8_kernels.h for one instruction set.
#include "portable_kernels.h"

namespace {
using namespace qlora;
[[maybe_unused]] const bool registered =
    tables<ProductKernels>.add(Simd::scalar, &scalar::portable_kernels<scalar::Panels>);
}
