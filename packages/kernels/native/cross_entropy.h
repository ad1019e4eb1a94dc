// cross_entropy.h: softmax cross-entropy of a row of logits and its gradient in place:
// loss = log Σ e^x - x[label], d loss / d x = softmax(x) - onehot(label). A row without a label costs nothing and gets
// zeros.
#pragma once
#include "exp2.h"
#include "lanes.h"

namespace qlora::QLORA_SIMD {

// Largest of a row; NaN is left to the sum below.
inline float row_max(const float* x, int64_t n) {
  constexpr float lowest = -std::numeric_limits<float>::infinity();
  vf a = splat(lowest), b = a, c = a, d = a;
  int64_t i = 0;
  for (; i + 4 * W <= n; i += 4 * W) {
    a = max(a, load(x + i));
    b = max(b, load(x + i + W));
    c = max(c, load(x + i + 2 * W));
    d = max(d, load(x + i + 3 * W));
  }
  for (; i + W <= n; i += W) a = max(a, load(x + i));
  float result = reduce_max(max(max(a, b), max(c, d)));
  for (; i < n; ++i) result = x[i] > result ? x[i] : result;
  return result;
}

// Σ e^(x - top): float32 within blocks of 1024, float64 across them, so that a large vocabulary costs no accuracy. With
// `keep`, x becomes the terms.
template <bool keep>
inline double row_sum_exp(float* x, int64_t n, float top) {
  const auto term = [&](float* at, int lanes) {
    const vf e = exp2((load_lanes(at, lanes) - top) * log2_e);
    if constexpr (keep) store_lanes(at, e, lanes);
    return e;
  };
  double total = 0;
  for (int64_t begin = 0; begin < n; begin += 1024) {
    const int64_t end = std::min(n, begin + 1024);
    vf a{}, b{};
    int64_t i = begin;
    for (; i + 2 * W <= end; i += 2 * W) {
      a += term(x + i, W);
      b += term(x + i + W, W);
    }
    for (; i + W <= end; i += W) a += term(x + i, W);
    if (i < end) {
      float last[W];
      store(last, term(x + i, int(end - i)));
      b += load_part(last, int(end - i));
    }
    total += reduce_add(a + b);
  }
  return total;
}

inline void cross_entropy(float* logits, const int32_t* labels, float* losses, int64_t m, int64_t v, float scale,
                          bool gradient) {
  for (int64_t row = 0; row < m; ++row, logits += v) {
    const int32_t label = labels[row];
    if (label < 0) {
      losses[row] = 0;
      if (gradient) std::memset(logits, 0, size_t(v) * sizeof(float));
      continue;
    }
    const float top = row_max(logits, v);
    const double below = double(top) - logits[label];
    const double sum = gradient ? row_sum_exp<true>(logits, v, top) : row_sum_exp<false>(logits, v, top);
    losses[row] = float(std::log(sum) + below);
    if (!gradient) continue;
    const float factor = float(scale / sum);
    lanes(v, [&](int64_t i, int n) { store_lanes(logits + i, load_lanes(logits + i, n) * factor, n); });
    logits[label] -= scale;
  }
}

}  // namespace qlora::QLORA_SIMD
