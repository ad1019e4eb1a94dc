// rope.h: rotary position embedding (Su et al. 2021, arXiv 2104.09864) in the half-split order of Hugging Face:
// dimension i turns with i + head_dim/2. The backward of a rotation is the rotation by the negative angle: `inverse`.
#pragma once
#include "lanes.h"

namespace qlora::QLORA_SIMD {

inline void rope(float* x, const int32_t* positions, const float* cos, const float* sin, int64_t m, int64_t heads,
                 int64_t head_dim, bool inverse) {
  const int64_t half = head_dim / 2;
  const float sign = inverse ? -1.0f : 1.0f;
  for (int64_t token = 0; token < m; ++token) {
    const float *c = cos + positions[token] * half, *s = sin + positions[token] * half;
    for (int64_t head = 0; head < heads; ++head, x += head_dim)
      lanes(half, [&](int64_t i, int n) {
        const vf a = load_lanes(x + i, n), b = load_lanes(x + half + i, n);
        const vf vc = load_lanes(c + i, n), vs = load_lanes(s + i, n) * sign;
        store_lanes(x + i, fma(a, vc, -(b * vs)), n);
        store_lanes(x + half + i, fma(b, vc, a * vs), n);
      });
  }
}

}  // namespace qlora::QLORA_SIMD
