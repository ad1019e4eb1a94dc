// optim.h: the optimiser kernels' contract; one table of them per instruction set (simd.h).
//
// Everything works on runs of consecutive elements and is elementwise (but for absmax and sums), so results depend
// neither on threads nor on where a run is cut. Codes: 8-bit blockwise, one f32 absmax per 256 elements
// (dynamic_map.h).
#pragma once
#include <cstdint>

#include "dynamic_map.h"
#include "qlora/simd.h"

namespace qlora::optim {

enum Rule : int { adam, lion, ademamix, sgd, rules };

// States of each rule, in order, and whether a state is a second moment (never negative: unsigned map in 8 bits).
//   adam: m v     lion: m     ademamix: m1 m2 v     sgd: momentum
inline constexpr int state_count[rules] = {2, 1, 3, 1};
inline constexpr int most_states = 3;
constexpr bool is_second_moment(int rule, int state) {
  return (rule == adam && state == 1) || (rule == ademamix && state == 2);
}

// The numbers of one step, ready to multiply with (src/hyper.ts computes them in f64; the same order there).
struct Hyper {
  float scale;     // of the gradient: loss scale, accumulation, clipping
  float l2;        // coupled decay: g += l2·p
  float decay;     // decoupled decay: p *= decay, before the update
  float rate;      // learning rate (adam: divided by 1 − β1ᵗ)
  float b1, c1;    // β and 1 − β of each average (sgd: b1 is the momentum)
  float b2, c2;
  float b3, c3;
  float alpha;     // ademamix: weight of the slow average
  float eps;
  float correct1;  // ademamix: 1 / (1 − β1ᵗ)
  float correct2;  // adam, ademamix: 1 / √(1 − β2ᵗ)
  float nesterov;  // sgd: 1 or 0
};
inline constexpr int hyper_floats = sizeof(Hyper) / 4;

inline constexpr int block = 256;

// Where stochastic rounding takes its bits: Philox4x32-10 under `key`, counter (element, parameter, step); see
// rounding.h.
struct Random {
  uint32_t key[2];
  uint32_t parameter, step;
};

struct Kernels {
  // p [n], g [n], states s[i] [n], all f32: one step in place (rules.h).
  void (*update[rules])(float* p, const float* g, float* const* s, int64_t n, const Hyper& h);
  // x [n] = map[codes [n]]·absmax, n ≤ 256
  void (*decode)(const uint8_t* codes, float absmax, const DynamicMap& map, float* x, int n);
  // codes [n] = nearest of map to x [n] / absmax; returns absmax = max |x|, n ≤ 256
  float (*encode)(const float* x, const DynamicMap& map, uint8_t* codes, int n);
  // bf16 to f32, exact; f32 to bf16, to nearest even
  void (*widen)(const uint16_t* x, float* y, int64_t n);
  void (*narrow)(const float* x, uint16_t* y, int64_t n);
  // f32 to bf16, up with probability equal to the part cut off; `first` is the element index of x[0], a multiple of 128
  void (*narrow_stochastic)(const float* x, uint16_t* y, int64_t n, int64_t first, const Random& random);
  // Σ x², squared and summed in f64
  double (*sum_squares)(const float* x, int64_t n);
  // x *= a
  void (*scale)(float* x, float a, int64_t n);
  // of a page, for page_file.h
  uint64_t (*checksum)(const uint8_t* data, uint64_t bytes);
};

}  // namespace qlora::optim
