// swiglu.h: y = silu(gate) · up with silu(g) = g · σ(g) = g / (1 + e^-g) (Shazeer 2020, arXiv 2002.05202), and its
// backward: dup = dy · silu(gate), dgate = dy · up · σ(gate) · (1 + gate · (1 - σ(gate))).
#pragma once
#include "exp2.h"
#include "lanes.h"

namespace qlora::QLORA_SIMD {

// e^-g, at most 2^126: σ then ends at 2^-126 instead of 0, and a NaN stays one.
inline vf exp_minus(vf g) { return exp2(min(splat(126.0f), g * -log2_e)); }

inline void swiglu(const float* gate, const float* up, float* y, int64_t n) {
  lanes(n, [&](int64_t i, int k) {
    const vf g = load_lanes(gate + i, k);
    store_lanes(y + i, g / (1.0f + exp_minus(g)) * load_lanes(up + i, k), k);
  });
}

inline void swiglu_backward(const float* dy, const float* gate, const float* up, float* dgate, float* dup, int64_t n) {
  lanes(n, [&](int64_t i, int k) {
    const vf g = load_lanes(gate + i, k), u = load_lanes(up + i, k), d = load_lanes(dy + i, k);
    const vf sigmoid = 1.0f / (1.0f + exp_minus(g));
    store_lanes(dgate + i, d * u * sigmoid * fma(g, 1.0f - sigmoid, splat(1.0f)), k);
    store_lanes(dup + i, d * g * sigmoid, k);
  });
}

}  // namespace qlora::QLORA_SIMD
