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

// Σ f(i) over i = 0 … d-1, four registers wide; f(i, n) gives a register of n ≤ W terms starting at i, zeros after.
template <class F>
inline float sum_terms(int64_t d, F&& f) {
  vf a{}, b{}, c{}, e{};
  int64_t i = 0;
  for (; i + 4 * W <= d; i += 4 * W) {
    a += f(i, W);
    b += f(i + W, W);
    c += f(i + 2 * W, W);
    e += f(i + 3 * W, W);
  }
  for (; i < d; i += W) a += f(i, int(std::min<int64_t>(W, d - i)));
  return reduce_add((a + b) + (c + e));
}

}  // namespace qlora::QLORA_SIMD
