// kernels_scalar.cc: the kernels compiled for scalar.
#include "kernels.h"

namespace qlora::QLORA_SIMD {
const bool registered = tables<optim::Kernels>.add(Simd::QLORA_SIMD, &kernels);
}
