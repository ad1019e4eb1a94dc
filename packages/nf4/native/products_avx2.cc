// products_avx2.cc: the kernels of products_kernels.h with the few rows of gemv_avx2.h.
#include "gemv_avx2.h"
#include "portable_kernels.h"

namespace qlora::avx2 {
inline constexpr ProductKernels kernels{product_block<Panels2>, product_block8<Panels2, Portable8>, quantize_row,
                                        gemv_avx2, nullptr, gemv_tables};
}  // namespace qlora::avx2

namespace {
using namespace qlora;
[[maybe_unused]] const bool registered = tables<ProductKernels>.add(Simd::avx2, &avx2::kernels);
}
