// kernels_avx2.cc: the kernels compiled for avx2.
#include "kernels.h"

namespace qlora::QLORA_SIMD {
const bool registered = tables<optim::Kernels>.add(Simd::QLORA_SIMD, &kernels);
}
