// machine_scalar.cc: the loops of machine_kernels.h for one instruction set.
#include "machine_kernels.h"

namespace {
[[maybe_unused]] const bool registered = qlora::tables<Machine>.add(qlora::Simd::scalar, &qlora::scalar::machine);
}
