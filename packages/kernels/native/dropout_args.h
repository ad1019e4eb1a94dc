// dropout_args.h: the numbers of a call of dropout, checked alike for arrays of the host (Args) and of a device (DeviceArgs).
#pragma once
#include <cstdint>
#include <string>

#include "qlora/napi.h"

namespace qlora {

struct DropoutArgs {
  int64_t n;
  double p;
  uint64_t seed, offset;
  bool accumulate;
};

// n, p, the seed's high and low words, offset, accumulate; the arrays come after.
template <class Arguments>
DropoutArgs dropout_args(const Napi::CallbackInfo& info, Arguments& args) {
  const int64_t n = args.size("n");
  const double p = args.number("p");
  const uint64_t high = args.size("seed"), low = args.size("seed"), offset = args.size("offset");
  const bool accumulate = args.flag("accumulate");
  if (!(p >= 0 && p < 1))
    throw Napi::RangeError::New(info.Env(), "p must be at least 0 and below 1, got " + std::to_string(p));
  if (high > 0xffffffffu || low > 0xffffffffu)
    throw Napi::RangeError::New(info.Env(), "seed must be two words of 32 bits");
  return {n, p, high << 32 | low, offset, accumulate};
}

}  // namespace qlora
