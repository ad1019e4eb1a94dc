// transpose.h: a W × W block of floats turned in registers, log2(W) rounds of swapping ever smaller off-diagonal
// blocks.
#pragma once
#include <utility>

#include "qlora/vec.h"

namespace qlora::QLORA_SIMD {

// Lanes j with bit s clear keep a[j] or take a[j + s]; the others take b[j - s] or keep b[j].
template <int s, int... j>
inline void swap_blocks(vf& a, vf& b, std::integer_sequence<int, j...>) {
  const vf first = __builtin_shufflevector(a, b, (j & s ? W + j - s : j)...);
  b = __builtin_shufflevector(a, b, (j & s ? W + j : j + s)...);
  a = first;
}

template <int s = W / 2>
inline void transpose(vf (&rows)[W]) {
#pragma GCC unroll 16
  for (int i = 0; i < W; ++i)
    if (!(i & s)) swap_blocks<s>(rows[i], rows[i + s], std::make_integer_sequence<int, W>());
  if constexpr (s > 1) transpose<s / 2>(rows);
}

}  // namespace qlora::QLORA_SIMD
