// addon.cc: arguments in, typed arrays out, nothing else.
#include <algorithm>
#include <cstring>
#include <vector>

#include "page_file_addon.h"
#include "qlora/napi.h"
#include "step_args.h"

void export_cuda(Napi::Env env, Napi::Object exports);

namespace {
using namespace qlora;
using namespace qlora::optim;

// Arrays of the host under the names that DeviceArgs has for them.
struct HostArgs : Args {
  using Args::Args;
  template <class T>
  Span<T> host(const char* name, uint64_t needed) {
    return array<T>(name, needed);
  }
  template <class T>
  Span<T> host_or_null(const char* name, uint64_t needed) {
    return optional<T>(name, needed);
  }
};

void step(const Napi::CallbackInfo& info) {
  const Step t = step_args<uint16_t>(info, HostArgs(info));
  if (t.n) optim::step(t);
}

Napi::Value sum_squares(const Napi::CallbackInfo& info) {
  Args args(info);
  const Span<float> x = args.array<float>("x", 0);
  std::vector<double> partial(size_t(x.length / chunk + 1));
  return Napi::Number::New(info.Env(), optim::sum_squares(x, int64_t(x.length), partial.data()));
}

void scale(const Napi::CallbackInfo& info) {
  Args args(info);
  const Span<float> x = args.array<float>("x", 0);
  optim::scale(x, float(args.number("a")), int64_t(x.length));
}

// encode(x, signed, codes, absmax)    decode(codes, absmax, signed, x)
void encode(const Napi::CallbackInfo& info) {
  Args args(info);
  const Span<float> x = args.array<float>("x", 0);
  const DynamicMap& map = dynamic_map(args.flag("signed"));
  const Span<uint8_t> codes = args.array<uint8_t>("codes", x.length);
  const Span<float> absmax = args.array<float>("absmax", (x.length + block - 1) / block);
  const Kernels& k = tables<Kernels>.active();
  for (uint64_t i = 0; i < x.length; i += block)
    absmax.data[i / block] = k.encode(x.data + i, map, codes.data + i, int(std::min<uint64_t>(block, x.length - i)));
}
void decode(const Napi::CallbackInfo& info) {
  Args args(info);
  const Span<uint8_t> codes = args.array<uint8_t>("codes", 0);
  const Span<float> absmax = args.array<float>("absmax", (codes.length + block - 1) / block);
  const DynamicMap& map = dynamic_map(args.flag("signed"));
  const Span<float> x = args.array<float>("x", codes.length);
  const Kernels& k = tables<Kernels>.active();
  for (uint64_t i = 0; i < codes.length; i += block)
    k.decode(codes.data + i, absmax.data[i / block], map, x.data + i, int(std::min<uint64_t>(block, codes.length - i)));
}

// dynamicMap(signed, values [256])
void dynamic_map_values(const Napi::CallbackInfo& info) {
  Args args(info);
  const DynamicMap& map = dynamic_map(args.flag("signed"));
  std::memcpy(args.array<float>("values", 256), map.value, sizeof map.value);
}

void widen(const Napi::CallbackInfo& info) {
  Args args(info);
  const Span<uint16_t> x = args.array<uint16_t>("x", 0);
  tables<Kernels>.active().widen(x, args.array<float>("y", x.length), int64_t(x.length));
}

// copy(from, to, piece): in pieces of that many elements over all threads. What memory can move, for the benchmark.
void copy(const Napi::CallbackInfo& info) {
  Args args(info);
  const Span<float> from = args.array<float>("from", 0), to = args.array<float>("to", from.length);
  const int64_t n = int64_t(from.length), piece = args.size("piece");
  if (piece < 1) throw Napi::RangeError::New(info.Env(), "piece must be ≥ 1, got 0");
  parallel_for((n + piece - 1) / piece, [&](int64_t i) {
    std::memcpy(to.data + i * piece, from.data + i * piece, size_t(std::min(piece, n - i * piece)) * 4);
  });
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  export_threads(env, exports);
  export_simd(env, exports, tables<Kernels>);
  export_cuda(env, exports);
  exports["step"] = Napi::Function::New(env, step);
  exports["sumSquares"] = Napi::Function::New(env, sum_squares);
  exports["scale"] = Napi::Function::New(env, scale);
  exports["encode"] = Napi::Function::New(env, encode);
  exports["decode"] = Napi::Function::New(env, decode);
  exports["dynamicMap"] = Napi::Function::New(env, dynamic_map_values);
  exports["widen"] = Napi::Function::New(env, widen);
  exports["copy"] = Napi::Function::New(env, copy);
  exports["PageFile"] = PageFileAddon::define(env);
  return exports;
}
}  // namespace
NODE_API_MODULE(paged_optim, init)
