// kernels_avx512.cc: the kernels compiled for avx512.
#include "kernels.h"

namespace qlora::QLORA_SIMD {
const bool registered = tables<optim::Kernels>.add(Simd::QLORA_SIMD, &kernels);
}
