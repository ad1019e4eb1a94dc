// search.h: the choice of a block's scale (least squared error) and shift (most entropy), with vec.h alone; Nearest finds levels:
//   vf level(vf v)                                      the level nearest to each lane
//   void count(const float* v, int n, int* counts)      how often each of the 16 codes would occur
// Sums of squares run over 16 lanes, element i in lane i mod 16, and halve at the end: the same bits with every W.
#pragma once
#include <algorithm>

#include "codec_block.h"

namespace qlora::QLORA_SIMD {

struct ByComparison {
  const Codebook& c;
  float value[16];  // ascending
  explicit ByComparison(const Codebook& codebook) : c(codebook) {
    for (int j = 0; j < 16; ++j) value[j] = c.level[c.order[j]];
  }
  vf level(vf v) const {
    vf l = splat(value[0]);
    for (int j = 0; j < 15; ++j) l = v > c.pivot[j] ? splat(value[j + 1]) : l;
    return l;
  }
  void count(const float* v, int n, int* counts) const {
    int32_t ranks[W];
    for (int i = 0; i < n; i += W) {
      vi rank{};
      for (int j = 0; j < 15; ++j) rank -= load(v + i) > c.pivot[j];
      std::memcpy(ranks, &rank, sizeof rank);
      for (int lane = 0; lane < std::min(W, n - i); ++lane) ++counts[ranks[lane]];
    }
  }
};

// Σ (u − f·level(u/f))² over n values; u has room for a multiple of 16.
template <class Nearest>
float squared_error(const float* u, int n, float f, const Nearest& nearest) {
  const float inverse = 1 / f;
  vf sum[16 / W]{};
  auto difference = [&](const float* p) {
    const vf x = load(p);
    return x - nearest.level(x * inverse) * f;
  };
  const int whole = n / 16 * 16;
  for (int i = 0; i < whole; i += 16)
    for (int k = 0; k < 16; k += W) {
      const vf d = difference(u + i + k);
      sum[k / W] += d * d;
    }
  for (int k = 0; whole + k < n; k += W) {
    vf d = difference(u + whole + k);
    for (int lane = 0; lane < W; ++lane)
      if (whole + k + lane >= n) d[lane] = 0;
    sum[k / W] += d * d;
  }
  float t[16];
  std::memcpy(t, sum, sizeof t);
  for (int half = 8; half; half /= 2)
    for (int i = 0; i < half; ++i) t[i] += t[i + half];
  return t[0];
}

// scale[b] *= the factor with the least squared error; the first of equals.
template <class Nearest>
void search_scales(const float* x, int64_t n, int block, const Codebook& c, const float* factors, int count, float* scale) {
  const Nearest nearest(c);
  alignas(64) float u[4096] = {};
  for (int64_t i = 0; i < n; i += block) {
    const int length = int(std::min<int64_t>(block, n - i));
    const Reciprocal r(scale[i / block]);
    for (int j = 0; j < length; ++j) u[j] = x[i + j] * r.lift * r.inverse;
    float best = squared_error(u, length, factors[0], nearest), chosen = factors[0];
    for (int k = 1; k < count; ++k) {
      const float error = squared_error(u, length, factors[k], nearest);
      if (error < best) best = error, chosen = factors[k];
    }
    scale[i / block] *= chosen;
  }
}

// One block under one shift: its codes' cost Σ c·log2 c over their counts c (entropy = log2 n − cost/n), and its squared error.
template <class Nearest>
struct Shifted {
  const float* x;
  int length;
  bool is_signed;
  const Nearest& nearest;
  const double* costs;
  float low, high;  // the block's extremes; rounding keeps their order, so they are the extremes under any shift
  float scale = 0;
  alignas(64) float v[4096] = {};

  Shifted(const float* begin, int n, bool sign, const Nearest& levels, const double* c)
      : x(begin), length(n), is_signed(sign), nearest(levels), costs(c), low(begin[0]), high(begin[0]) {
    for (int i = 0; i < n; ++i) low = x[i] < low ? x[i] : low, high = x[i] > high ? x[i] : high;
  }
  double cost(float shift) {
    const float ends[2] = {low - shift, high - shift};
    scale = block_scale(ends, 2, is_signed);
    if (!std::isfinite(scale)) return INFINITY;
    const Reciprocal r(scale);
    if (r.lift == 1)
      for (int i = 0; i < length; ++i) v[i] = (x[i] - shift) * r.inverse;
    else
      for (int i = 0; i < length; ++i) v[i] = (x[i] - shift) * r.lift * r.inverse;
    int counts[16] = {};
    nearest.count(v, length, counts);
    double sum[4] = {};  // exact, so in any order
    for (int code = 0; code < 16; ++code) sum[code & 3] += costs[counts[code]];
    return sum[0] + sum[1] + (sum[2] + sum[3]);
  }
  // Of the shift last given to cost(), in units of the block's absmax.
  float error(const Reciprocal& absmax) {
    const float ratio = scale * absmax.lift * absmax.inverse;
    return squared_error(v, length, 1, nearest) * (ratio * ratio);
  }
};

inline float lower_median(const float* x, int n, float* scratch) {
  std::copy_n(x, n, scratch);
  std::nth_element(scratch, scratch + (n - 1) / 2, scratch + n);
  return scratch[(n - 1) / 2];
}

// shift[b]: of 0 and median + fraction·max|x − median|, the one whose codes have the most entropy; of equals the one with the
// least squared error; of those the first.
template <class Nearest>
void search_shifts(const float* x, int64_t n, int block, const Codebook& c, bool is_signed, const float* fractions,
                   int count, const double* costs, float* shift) {
  const Nearest nearest(c);
  for (int64_t i = 0; i < n; i += block) {
    const int length = int(std::min<int64_t>(block, n - i));
    const float absmax = block_scale(x + i, length, false);
    shift[i / block] = std::isfinite(absmax) ? 0 : NAN;
    if (!std::isfinite(absmax)) continue;
    Shifted<Nearest> shifted(x + i, length, is_signed, nearest, costs);
    const Reciprocal unit(absmax);
    const float median = lower_median(x + i, length, shifted.v);
    float reach = 0;
    for (int j = 0; j < length; ++j) reach = std::max(reach, std::fabs(x[i + j] - median));
    double least = shifted.cost(0);
    float error = shifted.error(unit);
    for (int k = 0; k < count; ++k) {
      const float candidate = fractions[k] * reach + median;
      const double cost = shifted.cost(candidate);
      if (cost > least || !std::isfinite(cost)) continue;
      const float e = shifted.error(unit);
      if (cost < least || e < error) least = cost, error = e, shift[i / block] = candidate;
    }
  }
}

// shift[b] = 0 where the codes under shift[b] have less entropy than those under 0.
template <class Nearest>
void guard_shifts(const float* x, int64_t n, int block, const Codebook& c, bool is_signed, const double* costs, float* shift) {
  const Nearest nearest(c);
  for (int64_t i = 0; i < n; i += block) {
    Shifted<Nearest> shifted(x + i, int(std::min<int64_t>(block, n - i)), is_signed, nearest, costs);
    if (shifted.cost(shift[i / block]) > shifted.cost(0)) shift[i / block] = 0;
  }
}

}  // namespace qlora::QLORA_SIMD
