// rules.h: one step of each rule on f32 (part of kernels_*.cc, compiled once per instruction set). Hyper is in optim.h.
#pragma once
#include "optim.h"
#include "qlora/vec.h"

namespace qlora::QLORA_SIMD {

using optim::Hyper;

// f(p, g, s) on registers, over n elements; s holds S states. The gradient comes scaled, with the coupled decay added.
//
// JavaScript's large arrays begin 16 bytes after a page, where whole registers would straddle cache lines; from memory that
// takes 1.7 times as long. So in long runs the first few elements go by themselves, up to where s[0] is aligned.
template <int S, class F>
inline void each(float* p, const float* g, float* const* s, int64_t n, const Hyper& h, F f) {
  const vf scale = splat(h.scale), l2 = splat(h.l2);
  float* x[S];
  for (int k = 0; k < S; ++k) x[k] = s[k];
  vf v[S];
  const auto part = [&](int64_t i, int count) {
    vf weight = load_part(p + i, count);
    for (int k = 0; k < S; ++k) v[k] = load_part(x[k] + i, count);
    f(weight, fma(l2, weight, scale * load_part(g + i, count)), v);
    store_part(p + i, weight, count);
    for (int k = 0; k < S; ++k) store_part(x[k] + i, v[k], count);
  };
  int64_t i = n < 1024 ? 0 : -(reinterpret_cast<uintptr_t>(x[0]) / 4) & (W - 1);
  if (i) part(0, int(i));
  for (; i + W <= n; i += W) {
    vf weight = load(p + i);
    for (int k = 0; k < S; ++k) v[k] = load(x[k] + i);
    f(weight, fma(l2, weight, scale * load(g + i)), v);
    store(p + i, weight);
    for (int k = 0; k < S; ++k) store(x[k] + i, v[k]);
  }
  if (i < n) part(i, int(n - i));
}

// Adam, AdamW (Kingma & Ba 2015; Loshchilov & Hutter 2019), as torch.optim.AdamW:
//   m = β1·m + (1−β1)·g     v = β2·v + (1−β2)·g²     p = decay·p − rate·m / (√v·correct2 + eps)
inline void adam(float* p, const float* g, float* const* s, int64_t n, const Hyper& h) {
  const vf b1 = splat(h.b1), c1 = splat(h.c1), b2 = splat(h.b2), c2 = splat(h.c2), correct2 = splat(h.correct2),
           eps = splat(h.eps), decay = splat(h.decay), rate = splat(-h.rate);
  each<2>(p, g, s, n, h, [=](vf& p, vf g, vf* s) {
    s[0] = fma(b1, s[0], c1 * g);
    s[1] = fma(b2, s[1], c2 * g * g);
    p = fma(rate, s[0] / fma(sqrt(s[1]), correct2, eps), decay * p);
  });
}

// Lion (Chen et al. 2023):   p = decay·p − rate·sign(β1·m + (1−β1)·g)     m = β2·m + (1−β2)·g
inline void lion(float* p, const float* g, float* const* s, int64_t n, const Hyper& h) {
  const vf b1 = splat(h.b1), c1 = splat(h.c1), b2 = splat(h.b2), c2 = splat(h.c2), decay = splat(h.decay),
           rate = splat(h.rate), none{};
  each<1>(p, g, s, n, h, [=](vf& p, vf g, vf* s) {
    const vf u = fma(b1, s[0], c1 * g);
    p = decay * p - (u > none ? rate : u < none ? -rate : none);
    s[0] = fma(b2, s[0], c2 * g);
  });
}

// AdEMAMix (Pagliardini et al. 2024): a fast and a slow average of the gradient.
//   m1 = β1·m1 + (1−β1)·g     m2 = β3·m2 + (1−β3)·g     v = β2·v + (1−β2)·g²
//   p = decay·p − rate·(m1·correct1 + alpha·m2) / (√v·correct2 + eps)
inline void ademamix(float* p, const float* g, float* const* s, int64_t n, const Hyper& h) {
  const vf b1 = splat(h.b1), c1 = splat(h.c1), b2 = splat(h.b2), c2 = splat(h.c2), b3 = splat(h.b3), c3 = splat(h.c3),
           alpha = splat(h.alpha), correct1 = splat(h.correct1), correct2 = splat(h.correct2), eps = splat(h.eps),
           decay = splat(h.decay), rate = splat(-h.rate);
  each<3>(p, g, s, n, h, [=](vf& p, vf g, vf* s) {
    s[0] = fma(b1, s[0], c1 * g);
    s[1] = fma(b3, s[1], c3 * g);
    s[2] = fma(b2, s[2], c2 * g * g);
    p = fma(rate, fma(alpha, s[1], s[0] * correct1) / fma(sqrt(s[2]), correct2, eps), decay * p);
  });
}

// SGD with momentum, as torch.optim.SGD with dampening 0:   b = μ·b + g     p = decay·p − rate·(nesterov ? g + μ·b : b)
inline void sgd(float* p, const float* g, float* const* s, int64_t n, const Hyper& h) {
  const vf momentum = splat(h.b1), now = splat(h.nesterov), buffer = splat(h.nesterov ? h.b1 : 1.0f),
           decay = splat(h.decay), rate = splat(-h.rate);
  each<1>(p, g, s, n, h, [=](vf& p, vf g, vf* s) {
    s[0] = fma(momentum, s[0], g);
    p = fma(rate, fma(buffer, s[0], now * g), decay * p);
  });
}

}  // namespace qlora::QLORA_SIMD
