// codec_addon.cc: the codec's functions for JavaScript; each has the arguments of its namesake in src/reference.ts.
#include "codec.h"
#include "qlora/napi.h"

namespace {
using namespace qlora;
using nf4::Type;

int64_t blocks(int64_t n, int64_t block) { return n / block + (n % block != 0); }

void need(Napi::Env env, const char* name, uint64_t length, int64_t needed) {
  if (length < uint64_t(needed))
    throw Napi::RangeError::New(env, std::string(name) + " has " + std::to_string(length) + " elements, needs " + std::to_string(needed));
}

// What the functions on weights begin with: x, half, n, blockSize, levels, signed.
struct Weights {
  const void* x;
  Type type;
  int64_t n, count;
  int block;
  nf4::Codebook codebook;
  bool is_signed;

  Weights(Args& args, Napi::Env env) {
    uint64_t length;
    if (args.next_is<float>()) {
      const auto span = args.array<float>("x", 0);
      x = span.data, length = span.length, type = Type::f32;
    } else {
      const auto span = args.array<uint16_t>("x", 0);
      x = span.data, length = span.length, type = Type::bf16;
    }
    const std::string half = args.string("half");
    if (type == Type::bf16 && half == "f16") type = Type::f16;
    n = args.size("n");
    need(env, "x", length, n);
    block = block_size(args, env);
    count = blocks(n, block);
    codebook = nf4::prepare(args.array<float>("levels", 16));
    is_signed = args.flag("signed");
  }
  static int block_size(Args& args, Napi::Env env) {
    const int64_t block = args.size("blockSize");
    if (block < 32 || block > 4096 || (block & (block - 1)))
      throw Napi::RangeError::New(env, "blockSize must be a power of two from 32 to 4096, got " + std::to_string(block));
    return int(block);
  }
};

Napi::Value quantize(const Napi::CallbackInfo& info) {
  Args args(info);
  const Weights w(args, info.Env());
  const auto shift = args.optional<float>("shift", w.count);
  const auto factors = args.optional<float>("factors", 1);
  const auto scales = args.array<float>("scales", w.count);
  const auto codes = args.array<uint8_t>("codes", blocks(w.n, 2));
  return Napi::Number::New(info.Env(), double(nf4::quantize(w.x, w.type, w.n, w.block, w.codebook, w.is_signed, shift,
                                                            factors, int(factors.length), scales, codes)));
}

Napi::Value search_shifts(const Napi::CallbackInfo& info) {
  Args args(info);
  const Weights w(args, info.Env());
  const auto fractions = args.array<float>("fractions", 0);
  const auto costs = args.array<double>("costs", w.block + 1);
  const auto shift = args.array<float>("shift", w.count);
  return Napi::Number::New(info.Env(), double(nf4::search_shifts(w.x, w.type, w.n, w.block, w.codebook, w.is_signed,
                                                                 fractions, int(fractions.length), costs, shift)));
}

void guard_shifts(const Napi::CallbackInfo& info) {
  Args args(info);
  const Weights w(args, info.Env());
  const auto costs = args.array<double>("costs", w.block + 1);
  const auto shift = args.array<float>("shift", w.count);
  nf4::guard_shifts(w.x, w.type, w.n, w.block, w.codebook, w.is_signed, costs, shift);
}

void dequantize(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Args args(info);
  const auto codes = args.array<uint8_t>("codes", 0);
  const auto level = args.array<float>("levels", 16);
  const int64_t n = args.size("n");
  const int block = Weights::block_size(args, env);
  const int64_t count = blocks(n, block);
  need(env, "codes", codes.length, blocks(n, 2));
  const auto absmax = args.array<float>("absmax", 0);
  const auto nested = args.optional<uint8_t>("nested", count);
  const auto map = args.optional<float>("map", 256);
  const float offset = float(args.number("offset"));
  const auto shift = args.optional<float>("shift", count);
  if (nested.length && !map.length) throw Napi::TypeError::New(env, "map must be a Float32Array where nested is given");
  need(env, "absmax", absmax.length, nested.length ? blocks(count, 256) : count);
  const nf4::Scales scales{absmax, nested, map, offset};
  if (args.next_is<float>()) nf4::dequantize(codes, level, n, block, scales, shift, args.array<float>("out", n).data, Type::f32);
  else nf4::dequantize(codes, level, n, block, scales, shift, args.array<uint16_t>("out", n).data, Type::bf16);
}

int64_t any_block_size(Args& args, Napi::Env env) {
  const int64_t block = args.size("blockSize");
  if (block < 1) throw Napi::RangeError::New(env, "blockSize must be at least 1, got 0");
  return block;
}

Napi::Value quantize_blockwise(const Napi::CallbackInfo& info) {
  Args args(info);
  const auto x = args.array<float>("x", 0);
  const int64_t n = args.size("n"), block = any_block_size(args, info.Env());
  need(info.Env(), "x", x.length, n);
  const auto map = args.array<float>("map", 256);
  const float offset = float(args.number("offset"));
  const auto absmax = args.array<float>("absmax", blocks(n, block));
  const auto codes = args.array<uint8_t>("codes", n);
  return Napi::Number::New(info.Env(), double(nf4::quantize_blockwise(x, n, block, map, offset, absmax, codes)));
}

void dequantize_blockwise(const Napi::CallbackInfo& info) {
  Args args(info);
  const auto codes = args.array<uint8_t>("codes", 0);
  const int64_t n = args.size("n"), block = any_block_size(args, info.Env());
  need(info.Env(), "codes", codes.length, n);
  const auto map = args.array<float>("map", 256);
  const auto absmax = args.array<float>("absmax", blocks(n, block));
  const float offset = float(args.number("offset"));
  nf4::dequantize_blockwise(codes, n, block, map, absmax, offset, args.array<float>("out", n));
}

Napi::Value mean(const Napi::CallbackInfo& info) {
  Args args(info);
  const auto x = args.array<float>("x", 0);
  const int64_t n = args.size("n");
  need(info.Env(), "x", x.length, n);
  return Napi::Number::New(info.Env(), nf4::mean(x, n));
}
}  // namespace

void export_codec(Napi::Env env, Napi::Object exports) {
  exports["quantize"] = Napi::Function::New(env, quantize);
  exports["dequantize"] = Napi::Function::New(env, dequantize);
  exports["searchShifts"] = Napi::Function::New(env, search_shifts);
  exports["guardShifts"] = Napi::Function::New(env, guard_shifts);
  exports["quantizeBlockwise"] = Napi::Function::New(env, quantize_blockwise);
  exports["dequantizeBlockwise"] = Napi::Function::New(env, dequantize_blockwise);
  exports["mean"] = Napi::Function::New(env, mean);
}
