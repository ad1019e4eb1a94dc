// products_neon.cc: the kernels of products_kernels.h for one instruction set.
#include "products_kernels.h"

namespace {
[[maybe_unused]] const bool registered =
    qlora::tables<qlora::ProductKernels>.add(qlora::Simd::neon, &qlora::neon::product_kernels<qlora::neon::Panels>);
}
