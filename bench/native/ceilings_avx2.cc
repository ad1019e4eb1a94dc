// ceilings_avx2.cc: the machine's ceilings with avx2.
#include "ceilings_kernels.h"

namespace {
const bool registered = qlora::tables<Ceilings>.add(qlora::Simd::avx2, &qlora::avx2::table);
}
