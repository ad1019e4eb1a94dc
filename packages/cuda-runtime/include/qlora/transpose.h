// transpose.h: a W × W block of floats transposed in registers: log2 W rounds, each exchanging the off-diagonal
// quarters of all squares of one size (Eklundh).
#pragma once
#include <utility>

#include "vec.h"

namespace qlora::QLORA_SIMD {

template <int H, int... I>
inline void exchange(vf& a, vf& b, std::integer_sequence<int, I...>) {
  const vf top = __builtin_shufflevector(a, b, ((I & H) ? W + I - H : I)...);
  b = __builtin_shufflevector(a, b, ((I & H) ? W + I : I + H)...);
  a = top;
}

template <int H = W / 2>
inline void transpose(vf (&r)[W]) {
#pragma GCC unroll 16
  for (int i = 0; i < W; ++i)
    if (!(i & H)) exchange<H>(r[i], r[i + H], std::make_integer_sequence<int, W>());
  if constexpr (H > 1) transpose<H / 2>(r);
}

}  // namespace qlora::QLORA_SIMD
