// lanes.h: loops over arrays a register at a time, the last one in part.
#pragma once
#include <algorithm>

#include "qlora/vec.h"

namespace qlora::QLORA_SIMD {

// The first n ≤ W lanes, zeros after.
inline vf load_lanes(const float* p, int n) { return n == W ? load(p) : load_part(p, n); }
inline void store_lanes(float* p, vf v, int n) {
  if (n == W)
    store(p, v);
  else
    store_part(p, v, n);
}

// f(i, lanes) for i = 0, W, 2·W, … with lanes = W until the last call. f is inlined twice, so that full registers test
// nothing.
template <class F>
[[gnu::always_inline]] inline void lanes(int64_t n, F&& f) {
  int64_t i = 0;
  for (; i + W <= n; i += W) f(i, W);
  if (i < n) f(i, int(n - i));
}

}  // namespace qlora::QLORA_SIMD
