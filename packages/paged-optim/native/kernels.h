// kernels.h: the table of the instruction set that the including kernels_*.cc is compiled for.
#pragma once
#include "blockwise.h"
#include "checksum.h"
#include "norm.h"
#include "rounding.h"
#include "rules.h"

namespace qlora::QLORA_SIMD {
inline constexpr optim::Kernels kernels{{update<Adam>, update<Lion>, update<AdEMAMix>, update<Sgd>}, decode, encode, widen,
                                        narrow, narrow_stochastic, sum_squares, scale, checksum};
}
