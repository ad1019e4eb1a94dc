// panels_avx2.h: the panels of products_kernels.h where vpshufb looks the four bytes of 32 levels up at once.
#pragma once
#include "products_kernels.h"

namespace qlora::QLORA_SIMD {

inline __m256i load_bytes(const uint8_t* p) { return _mm256_loadu_si256((const __m256i*)p); }

}  // namespace qlora::QLORA_SIMD
