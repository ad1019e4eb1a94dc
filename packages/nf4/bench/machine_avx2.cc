// machine_avx2.cc: the loops of machine_kernels.h for one instruction set.
#include "machine_kernels.h"

namespace {
[[maybe_unused]] const bool registered = qlora::tables<Machine>.add(qlora::Simd::avx2, &qlora::avx2::machine);
}
