// ceilings_scalar.cc: the machine's ceilings with scalar.
#include "ceilings_kernels.h"

namespace {
const bool registered = qlora::tables<Ceilings>.add(qlora::Simd::scalar, &qlora::scalar::table);
}
