// update.h: one step of each rule for a float, or a register of them: the formulas that CPU and GPU share. Part of
// kernels_*.cc and of step.cu, which say what vf, splat, fma and sqrt are. The gradient g comes scaled, with the coupled
// decay added. Hyper is in optim.h.
#pragma once
#include "optim.h"
#include "qlora/cuda/bf16.h"  // __device__ for compilers that do not have it

namespace qlora::QLORA_SIMD {

using optim::Hyper;

// Adam, AdamW (Kingma & Ba 2015; Loshchilov & Hutter 2019), as torch.optim.AdamW:
//   m = β1·m + (1−β1)·g     v = β2·v + (1−β2)·g²     p = decay·p − rate·m / (√v·correct2 + eps)
struct Adam {
  static constexpr int id = optim::adam, states = 2;
  vf b1, c1, b2, c2, correct2, eps, decay, rate;
  __device__ explicit Adam(const Hyper& h)
      : b1(splat(h.b1)), c1(splat(h.c1)), b2(splat(h.b2)), c2(splat(h.c2)), correct2(splat(h.correct2)),
        eps(splat(h.eps)), decay(splat(h.decay)), rate(splat(-h.rate)) {}
  __device__ void operator()(vf& p, vf g, vf* s) const {
    s[0] = fma(b1, s[0], c1 * g);
    s[1] = fma(b2, s[1], c2 * g * g);
    p = fma(rate, s[0] / fma(sqrt(s[1]), correct2, eps), decay * p);
  }
};

// Lion (Chen et al. 2023):   p = decay·p − rate·sign(β1·m + (1−β1)·g)     m = β2·m + (1−β2)·g
struct Lion {
  static constexpr int id = optim::lion, states = 1;
  vf b1, c1, b2, c2, decay, rate;
  __device__ explicit Lion(const Hyper& h)
      : b1(splat(h.b1)), c1(splat(h.c1)), b2(splat(h.b2)), c2(splat(h.c2)), decay(splat(h.decay)), rate(splat(h.rate)) {}
  __device__ void operator()(vf& p, vf g, vf* s) const {
    const vf none{}, u = fma(b1, s[0], c1 * g);
    p = decay * p - (u > none ? rate : u < none ? -rate : none);
    s[0] = fma(b2, s[0], c2 * g);
  }
};

// AdEMAMix (Pagliardini et al. 2024): a fast and a slow average of the gradient.
//   m1 = β1·m1 + (1−β1)·g     m2 = β3·m2 + (1−β3)·g     v = β2·v + (1−β2)·g²
//   p = decay·p − rate·(m1·correct1 + alpha·m2) / (√v·correct2 + eps)
struct AdEMAMix {
  static constexpr int id = optim::ademamix, states = 3;
  vf b1, c1, b2, c2, b3, c3, alpha, correct1, correct2, eps, decay, rate;
  __device__ explicit AdEMAMix(const Hyper& h)
      : b1(splat(h.b1)), c1(splat(h.c1)), b2(splat(h.b2)), c2(splat(h.c2)), b3(splat(h.b3)), c3(splat(h.c3)),
        alpha(splat(h.alpha)), correct1(splat(h.correct1)), correct2(splat(h.correct2)), eps(splat(h.eps)),
        decay(splat(h.decay)), rate(splat(-h.rate)) {}
  __device__ void operator()(vf& p, vf g, vf* s) const {
    s[0] = fma(b1, s[0], c1 * g);
    s[1] = fma(b3, s[1], c3 * g);
    s[2] = fma(b2, s[2], c2 * g * g);
    p = fma(rate, fma(alpha, s[1], s[0] * correct1) / fma(sqrt(s[2]), correct2, eps), decay * p);
  }
};

// SGD with momentum, as torch.optim.SGD with dampening 0:   b = μ·b + g     p = decay·p − rate·(nesterov ? g + μ·b : b)
struct Sgd {
  static constexpr int id = optim::sgd, states = 1;
  vf momentum, now, buffer, decay, rate;
  __device__ explicit Sgd(const Hyper& h)
      : momentum(splat(h.b1)), now(splat(h.nesterov)), buffer(splat(h.nesterov ? h.b1 : 1.0f)), decay(splat(h.decay)),
        rate(splat(-h.rate)) {}
  __device__ void operator()(vf& p, vf g, vf* s) const {
    s[0] = fma(momentum, s[0], g);
    p = fma(rate, fma(buffer, s[0], now * g), decay * p);
  }
};

}  // namespace qlora::QLORA_SIMD
