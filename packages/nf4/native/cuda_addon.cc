// cuda_addon.cc: the kernels on a device for JavaScript, under `cuda`: sizes first, then device arrays; codebooks stay typed arrays of
// the host. nf4.node's run on GPUs, nf4.emu.node's on the emulator.
#include <algorithm>
#include <bit>
#include <climits>

#include "codec.h"
#include "device.h"
#include "qlora/cuda/addon.h"
#include "qlora/cuda/args.h"
#include "qlora/cuda/cublas_addon.h"

namespace {

using namespace qlora;
using cuda::check, cuda::DeviceArgs, cuda::Matrix;

constexpr cuda::Stream stream = nullptr;  // everything is queued on the default stream

uint64_t ceil(uint64_t a, uint64_t b) { return (a + b - 1) / b; }

Matrix matrix(Napi::Env env, DeviceArgs& args, const char* name, uint64_t needed) {
  if (args.next_is<float>()) return {args.array<float>(name, needed).data, true};
  if (args.next_is<bf16>()) return {args.array<bf16>(name, needed).data, false};
  throw Napi::TypeError::New(env, std::string(name) + " must be a device array of f32 or bf16");
}

int block_size(DeviceArgs& args, Napi::Env env) {
  const int64_t block = args.size("blockSize");
  if (block < 32 || block > 4096 || !std::has_single_bit(uint64_t(block)))
    throw Napi::RangeError::New(env, "blockSize must be a power of two from 32 to 4096, got " + std::to_string(block));
  return int(block);
}

// (n, x, blockSize, levels, signed, scales, codes, bad)
void quantize(const Napi::CallbackInfo& info) {
  DeviceArgs args(info);
  const int64_t n = args.size("n");
  const Matrix x = matrix(info.Env(), args, "x", n);
  const int block = block_size(args, info.Env());
  const nf4::Codebook sorted = nf4::prepare(args.host<float>("levels", 16));
  nf4::DeviceCodebook codebook{};
  for (int i = 0; i < 15; ++i) codebook.pivots[i] = sorted.pivot[i];
  for (int i = 0; i < 16; ++i) codebook.order |= uint64_t(sorted.order[i]) << (4 * i);
  codebook.zero = sorted.zero;
  const bool is_signed = args.flag("signed");
  const auto scales = args.array<float>("scales", ceil(n, block));
  const auto codes = args.array<uint8_t>("codes", ceil(n, 2));
  const auto bad = args.array<int32_t>("bad", 1);
  check(info.Env(), nf4::quantize(x, n, block, codebook, is_signed, scales, codes, bad, stream), "quantize");
}

// (n, x, sums, mean): sums is scratch of 8 bytes per 256 values
void mean(const Napi::CallbackInfo& info) {
  DeviceArgs args(info);
  const int64_t n = args.size("n");
  const auto x = args.array<float>("x", n);
  const auto sums = args.array<uint8_t>("sums", 8 * ceil(n, 256));
  const auto mean = args.array<float>("mean", 1);
  check(info.Env(), nf4::mean(x, n, reinterpret_cast<double*>(sums.data), mean, stream), "mean");
}

// (n, x, map, offset, absmax, codes): in blocks of 256
void quantize_blockwise(const Napi::CallbackInfo& info) {
  DeviceArgs args(info);
  const int64_t n = args.size("n");
  const auto x = args.array<float>("x", n);
  const auto map = args.array<float>("map", 256), offset = args.array<float>("offset", 1);
  const auto absmax = args.array<float>("absmax", ceil(n, 256));
  const auto codes = args.array<uint8_t>("codes", n);
  check(info.Env(), nf4::quantize_blockwise(x, n, map, offset, absmax, codes, stream), "quantizeBlockwise");
}

// (codes | null, map | null, absmax | null, offset): one f32 per block, or none at all.
nf4::DeviceValues values(DeviceArgs& args, Napi::Env env, uint64_t blocks, const std::string& name) {
  nf4::DeviceValues v{};
  v.codes = args.optional<uint8_t>((name + " codes").c_str(), blocks);
  v.map = args.optional<float>((name + " map").c_str(), 256);
  if (v.codes && !v.map) throw Napi::TypeError::New(env, name + " codes need a map");
  v.absmax = args.optional<float>((name + " absmax").c_str(), v.codes ? ceil(blocks, 256) : blocks);
  v.offset = float(args.number((name + " offset").c_str()));
  return v;
}

// (…, blockSize, codes, levels, four of scale, four of shift) of `elements` weights
void weights(DeviceArgs& args, Napi::Env env, uint64_t elements, nf4::DeviceWeights& w) {
  const int block = block_size(args, env);
  w.block_bits = std::countr_zero(unsigned(block));
  w.codes = args.array<uint8_t>("codes", ceil(elements, 2));
  const auto levels = args.host<float>("levels", 16);
  for (int i = 0; i < 16; ++i) w.levels[i] = levels[i];
  w.scale = values(args, env, ceil(elements, block), "scale");
  w.shift = values(args, env, ceil(elements, block), "shift");
  if (elements && !w.scale.absmax) throw Napi::TypeError::New(env, "scale absmax must be a device array of f32");
}

// (n, blockSize, codes, levels, four of scale, four of shift, out)
void dequantize(const Napi::CallbackInfo& info) {
  DeviceArgs args(info);
  const int64_t n = args.size("n");
  nf4::DeviceWeights w{};
  weights(args, info.Env(), n, w);
  check(info.Env(), nf4::dequantize(w, n, matrix(info.Env(), args, "out", n), stream), "dequantize");
}

// (transposed, accumulate, m, n, k, x, out, blockSize, codes, levels, four of scale, four of shift, scratch | null, dense | null)
void product4(const Napi::CallbackInfo& info) {
  DeviceArgs args(info);
  nf4::DeviceProduct4 p{};
  p.transposed = args.flag("transposed");
  p.accumulate = args.flag("accumulate");
  p.m = args.size("m");
  const int64_t n = args.size("n"), k = args.size("k");
  if (std::max({p.m, n, k}) > INT_MAX) throw Napi::RangeError::New(info.Env(), "m, n and k must be below 2^31 on a device");
  p.w.n = int(n), p.w.k = int(k);
  const uint64_t mk = args.product(p.m, k, "m × k"), mn = args.product(p.m, n, "m × n"), nk = args.product(n, k, "n × k");
  p.x = matrix(info.Env(), args, p.transposed ? "dy" : "x", p.transposed ? mn : mk);
  p.out = matrix(info.Env(), args, "out", p.transposed ? mk : mn);
  weights(args, info.Env(), nk, p.w);
  p.scratch = args.optional<bf16>("scratch", nk);
  p.dense = args.optional<bf16>("dense", nk);
  check(info.Env(), nf4::product4(p, stream), p.transposed ? "matmulTransposed" : "matmul");
}

}  // namespace

void export_cuda(Napi::Env env, Napi::Object exports) {
  cuda::export_backend(env, exports);
  Napi::Object functions = Napi::Object::New(env);
  functions["quantize"] = Napi::Function::New(env, quantize);
  functions["mean"] = Napi::Function::New(env, mean);
  functions["quantizeBlockwise"] = Napi::Function::New(env, quantize_blockwise);
  functions["dequantize"] = Napi::Function::New(env, dequantize);
  functions["product4"] = Napi::Function::New(env, product4);
  cuda::export_cublas(env, functions);
  exports["cuda"] = functions;
}
