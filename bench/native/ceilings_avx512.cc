// ceilings_avx512.cc: the machine's ceilings with avx512.
#include "ceilings_kernels.h"

namespace {
const bool registered = qlora::tables<Ceilings>.add(qlora::Simd::avx512, &qlora::avx512::table);
}
