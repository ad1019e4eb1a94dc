// step.cc: the portable driver: cuts a run into tasks; where numbers are packed it works block by block in the L1
// cache.
#include "step.h"

#include <algorithm>

#include "qlora/pool.h"

namespace qlora::optim {
namespace {

// Elements from … to of a step whose weights or states are packed.
void step_packed(const Kernels& k, const Step& t, int64_t from, int64_t to) {
  alignas(64) float unpacked[most_states][block], weights[block];
  const int states = state_count[t.rule];
  const int64_t run = t.codes[0] || !t.master ? block : 16 * block;  // longer where nothing needs to be unpacked
  for (int64_t at = from; at < to; at += run) {
    const int64_t n = std::min(run, to - at);
    const auto map = [&](int i) -> const DynamicMap& { return dynamic_map(!is_second_moment(t.rule, i)); };
    float* s[most_states];
    for (int i = 0; i < states; ++i) {
      s[i] = t.codes[i] ? unpacked[i] : t.state[i] + at;
      if (t.codes[i]) k.decode(t.codes[i] + at, t.absmax[i][at / block], map(i), s[i], int(n));
    }
    float* p = t.master ? t.master + at : t.weights ? t.weights + at : weights;
    if (p == weights) k.widen(t.half_weights + at, p, n);
    k.update[t.rule](p, t.gradient + at, s, n, t.hyper);
    for (int i = 0; i < states; ++i)
      if (t.codes[i]) t.absmax[i][at / block] = k.encode(s[i], map(i), t.codes[i] + at, int(n));
    if (t.master) k.narrow(p, t.half_weights + at, n);
    else if (!t.weights) k.narrow_stochastic(p, t.half_weights + at, n, t.first + at, t.random);
  }
}

}  // namespace

void step(const Step& t) {
  const Kernels& k = tables<Kernels>.active();
  const bool plain = t.weights && !t.codes[0];
  parallel_for((t.n + chunk - 1) / chunk, [&](int64_t task) {
    const int64_t from = task * chunk, to = std::min(t.n, from + chunk);
    if (!plain) return step_packed(k, t, from, to);
    float* s[most_states];
    for (int i = 0; i < state_count[t.rule]; ++i) s[i] = t.state[i] + from;
    k.update[t.rule](t.weights + from, t.gradient + from, s, to - from, t.hyper);
  });
}

double sum_squares(const float* x, int64_t n, double* partial) {
  const Kernels& k = tables<Kernels>.active();
  const int64_t tasks = (n + chunk - 1) / chunk;
  parallel_for(tasks, [&](int64_t i) { partial[i] = k.sum_squares(x + i * chunk, std::min(chunk, n - i * chunk)); });
  double sum = 0;
  for (int64_t i = 0; i < tasks; ++i) sum += partial[i];
  return sum;
}

void scale(float* x, float a, int64_t n) {
  const Kernels& k = tables<Kernels>.active();
  parallel_for((n + chunk - 1) / chunk, [&](int64_t i) { k.scale(x + i * chunk, a, std::min(chunk, n - i * chunk)); });
}

}  // namespace qlora::optim
