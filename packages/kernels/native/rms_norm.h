// rms_norm.h: y = x · inv · weight with inv = 1 / √(mean(x²) + eps) (Zhang and Sennrich 2019, arXiv 1910.07467), and
// its backward.
#pragma once
#include "lanes.h"

namespace qlora::QLORA_SIMD {

inline void rms_norm(const float* x, const float* weight, float* y, float* inv_rms, int64_t m, int64_t d, float eps) {
  for (int64_t row = 0; row < m; ++row, x += d, y += d) {
    const float squares = sum_terms(d, [&](int64_t i, int n) {
      const vf v = load_lanes(x + i, n);
      return v * v;
    });
    const float inv = 1.0f / std::sqrt(squares / float(d) + eps);
    inv_rms[row] = inv;
    lanes(d, [&](int64_t i, int n) { store_lanes(y + i, load_lanes(x + i, n) * inv * load_lanes(weight + i, n), n); });
  }
}

inline void rms_norm_backward(const float* dy, const float* x, const float* weight, const float* inv_rms, float* dx,
                              int64_t m, int64_t d) {
  for (int64_t row = 0; row < m; ++row, dy += d, x += d, dx += d) {
    const float inv = inv_rms[row];
    const float dot = sum_terms(
        d, [&](int64_t i, int n) { return load_lanes(dy + i, n) * load_lanes(weight + i, n) * load_lanes(x + i, n); });
    const vf along = splat(-(dot / float(d)) * inv * inv * inv);
    lanes(d, [&](int64_t i, int n) {
      const vf across = load_lanes(dy + i, n) * load_lanes(weight + i, n);
      store_lanes(dx + i, fma(across, splat(inv), fma(load_lanes(x + i, n), along, load_lanes(dx + i, n))), n);
    });
  }
}

inline void rms_norm_backward_weight(const float* dy, const float* x, const float* inv_rms, float* dweight, int64_t m,
                                     int64_t d, int64_t begin, int64_t end) {
  for (int64_t row = 0; row < m; ++row, dy += d, x += d)
    lanes(end - begin, [&](int64_t j, int n) {
      const int64_t i = begin + j;
      const vf normal = load_lanes(x + i, n) * inv_rms[row];
      store_lanes(dweight + i, fma(load_lanes(dy + i, n), normal, load_lanes(dweight + i, n)), n);
    });
}

}  // namespace qlora::QLORA_SIMD
