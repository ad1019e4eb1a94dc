// products_avx512.cc: the kernels of products_kernels.h with the panels of panels_avx512.h, the few rows of
// gemv_avx512.h and the 8 bits of int8_panels_avx512.h.
#include "gemv_avx512.h"
#include "int8_kernels.h"
#include "int8_panels_avx512.h"
#include "qlora/gemm_int8_avx512.h"

namespace qlora::avx512 {
struct Panels512 : Panels {
  using Natural = NaturalRows512;
  using Transposed = TransposedRows512;
  using TiledNatural = NaturalTiles512;
  using TiledTransposed = TransposedTiles512;
};
inline constexpr ProductKernels kernels{product_block<Panels512>, product_block8<Panels512, Vnni8, Groups512>, quantize_row512,
                                        gemv, permute_x};
}  // namespace qlora::avx512

namespace {
using namespace qlora;
[[maybe_unused]] const bool registered = tables<ProductKernels>.add(Simd::avx512, &avx512::kernels);
}
