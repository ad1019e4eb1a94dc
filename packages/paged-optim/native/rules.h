// rules.h: one step of a rule (update.h) over a run of f32 (part of kernels_*.cc, compiled once per instruction set).
#pragma once
#include "qlora/vec.h"
#include "update.h"

namespace qlora::QLORA_SIMD {

// JavaScript's large arrays begin 16 bytes after a page, where whole registers would straddle cache lines; from memory that
// takes 1.7 times as long. So in long runs the first few elements go by themselves, up to where s[0] is aligned.
template <class Rule>
inline void update(float* p, const float* g, float* const* s, int64_t n, const Hyper& h) {
  constexpr int S = Rule::states;
  const Rule rule(h);
  const vf scale = splat(h.scale), l2 = splat(h.l2);
  float* x[S];
  for (int k = 0; k < S; ++k) x[k] = s[k];
  vf v[S];
  const auto part = [&](int64_t i, int count) {
    vf weight = load_part(p + i, count);
    for (int k = 0; k < S; ++k) v[k] = load_part(x[k] + i, count);
    rule(weight, fma(l2, weight, scale * load_part(g + i, count)), v);
    store_part(p + i, weight, count);
    for (int k = 0; k < S; ++k) store_part(x[k] + i, v[k], count);
  };
  int64_t i = n < 1024 ? 0 : -(reinterpret_cast<uintptr_t>(x[0]) / 4) & (W - 1);
  if (i) part(0, int(i));
  for (; i + W <= n; i += W) {
    vf weight = load(p + i);
    for (int k = 0; k < S; ++k) v[k] = load(x[k] + i);
    rule(weight, fma(l2, weight, scale * load(g + i)), v);
    store(p + i, weight);
    for (int k = 0; k < S; ++k) store(x[k] + i, v[k]);
  }
  if (i < n) part(i, int(n - i));
}

}  // namespace qlora::QLORA_SIMD
