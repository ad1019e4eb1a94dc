// step_args.h: the arguments of step(), arrays of the host (Args) or of a device (DeviceArgs).
#pragma once
#include "qlora/napi.h"
#include "step.h"

namespace qlora::optim {

// step(rule, n, weights, gradient, hyper [15], s0, s1, s2, absmax0, absmax1, absmax2, master, random [4], first); hyper and
// random are typed arrays of the host always. Half is the type of bf16 weights.
template <class Half, class Arguments>
Step step_args(const Napi::CallbackInfo& info, Arguments args) {
  Step t{};
  const int64_t rule = args.size("rule");
  if (rule >= rules) throw Napi::RangeError::New(info.Env(), "rule must be 0 to 3, got " + std::to_string(rule));
  t.rule = int(rule);
  t.n = args.size("n");
  const uint64_t n = uint64_t(t.n);
  if (args.template next_is<Half>())
    t.half_weights = reinterpret_cast<uint16_t*>(args.template array<Half>("weights", n).data);
  else t.weights = args.template array<float>("weights", n);
  t.gradient = args.template array<float>("gradient", n);
  std::memcpy(&t.hyper, args.template host<float>("hyper", hyper_floats), sizeof t.hyper);
  static const char* const names[] = {"s0", "s1", "s2", "absmax0", "absmax1", "absmax2"};
  for (int i = 0; i < most_states; ++i) {
    if (i >= state_count[t.rule]) args.template optional<float>(names[i], 0);
    else if (args.template next_is<uint8_t>()) t.codes[i] = args.template array<uint8_t>(names[i], n);
    else t.state[i] = args.template array<float>(names[i], n);
    if (!!t.codes[i] != !!t.codes[0] && i < state_count[t.rule])
      throw Napi::TypeError::New(info.Env(), std::string(names[i]) + " must have the type of s0");
  }
  for (int i = 0; i < most_states; ++i) {
    if (t.codes[i]) t.absmax[i] = args.template array<float>(names[3 + i], (n + block - 1) / block);
    else args.template optional<float>(names[3 + i], 0);
  }
  t.master = args.template optional<float>("master", n);
  const Span<uint32_t> random = args.template host_or_null<uint32_t>("random", 4);
  if (random.data) t.random = {{random.data[0], random.data[1]}, random.data[2], random.data[3]};
  t.first = args.size("first");
  if (t.first % block)
    throw Napi::RangeError::New(info.Env(), "first must be a multiple of 256, got " + std::to_string(t.first));
  if (t.half_weights && !t.master && !random.data)
    throw Napi::TypeError::New(info.Env(), "bf16 weights need master or random");
  if (t.weights && t.master) throw Napi::TypeError::New(info.Env(), "master is for bf16 weights");
  return t;
}

}  // namespace qlora::optim
