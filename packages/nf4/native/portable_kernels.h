// portable_kernels.h: the kernels of products.h as every instruction set has them.
#pragma once
#include "gemv.h"
#include "int8_kernels.h"

namespace qlora::QLORA_SIMD {

template <class P>
inline constexpr ProductKernels portable_kernels{product_block<P>, product_block8<P, Portable8, PortableGroups>, quantize_row,
                                                 gemv_portable, nullptr};

}  // namespace qlora::QLORA_SIMD
