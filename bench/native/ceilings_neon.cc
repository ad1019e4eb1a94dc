// ceilings_neon.cc: the machine's ceilings with neon.
#include "ceilings_kernels.h"

namespace {
const bool registered = qlora::tables<Ceilings>.add(qlora::Simd::neon, &qlora::neon::table);
}
