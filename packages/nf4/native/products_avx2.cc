// products_avx2.cc: the kernels of products_kernels.h with the panels of panels_avx2.h, the few rows of gemv_avx2.h and
// the 8 bits of int8_panels_avx2.h.
#include "gemv_avx2.h"
#include "int8_kernels.h"
#include "int8_panels_avx2.h"
#include "qlora/gemm_int8_avx2.h"

namespace qlora::avx2 {
inline constexpr ProductKernels kernels{
    product_block<Panels2>, product_block8<Panels2, Words8, Groups2>, quantize_row2, gemv_avx2, nullptr, gemv_tables,
    Words8::dwords};
}  // namespace qlora::avx2

namespace {
using namespace qlora;
[[maybe_unused]] const bool registered = tables<ProductKernels>.add(Simd::avx2, &avx2::kernels);
}
