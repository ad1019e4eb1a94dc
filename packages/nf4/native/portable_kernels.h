// portable_kernels.h: the kernels of products.h as every instruction set has them.
#pragma once
#include "gemv.h"
#include "int8_kernels.h"

namespace qlora::QLORA_SIMD {

struct Portable8 {
  static constexpr int64_t dwords = int8_dwords;
  static constexpr auto forward = fill_forward;
  static constexpr auto backward = fill_backward;
  static const Tile8Table& tiles() { return tiles8<Tile8>; }
};

template <class P>
inline constexpr ProductKernels portable_kernels{product_block<P>, product_block8<P, Portable8>, quantize_row,
                                                 gemv_portable, nullptr};

}  // namespace qlora::QLORA_SIMD
