// cuda_addon.cc: the operations on a device for JavaScript, under the names and with the sizes of the CPU's; arrays are device
// arrays. One source for kernels.node and kernels.emu.node, where they are the exports of `cuda`.
#include "cuda_addon.h"
#include "dropout_args.h"

namespace {
using namespace qlora::cuda;

constexpr Stream stream = nullptr;  // everything is queued on the default stream

void rms_norm(const Napi::CallbackInfo& info) {
  DeviceArgs args(info);
  const int64_t m = args.size("m"), d = args.size("d");
  const float eps = float(args.number("eps"));
  const uint64_t n = args.product(m, d, "m × d");
  const Floats x = floats(info, args, "x", n);
  const auto weight = args.array<float>("weight", d);
  const Floats y = alike(args, x, "y", n);
  const auto inv_rms = args.array<float>("invRms", m);
  check(info.Env(), rms_norm(x, weight, y, inv_rms, m, d, eps, stream), "rmsNorm");
}

void rms_norm_backward(const Napi::CallbackInfo& info) {
  DeviceArgs args(info);
  const int64_t m = args.size("m"), d = args.size("d");
  const uint64_t n = args.product(m, d, "m × d");
  const Floats dy = floats(info, args, "dy", n), x = alike(args, dy, "x", n);
  const auto weight = args.array<float>("weight", d), inv_rms = args.array<float>("invRms", m);
  const Floats dx = alike(args, dy, "dx", n);
  const auto dweight = args.optional<float>("dweight", d);
  check(info.Env(), rms_norm_backward(dy, x, weight, inv_rms, dx, dweight, m, d, stream), "rmsNormBackward");
}

void rope(const Napi::CallbackInfo& info) {
  DeviceArgs args(info);
  const int64_t m = args.size("m"), heads = args.size("heads"), head_dim = args.size("headDim");
  const bool inverse = args.flag("inverse");
  if (head_dim == 0 || head_dim % 2)
    throw Napi::RangeError::New(info.Env(), "headDim must be even and > 0, got " + std::to_string(head_dim));
  const uint64_t width = args.product(heads, head_dim, "heads × headDim");
  const Floats x = floats(info, args, "x", args.product(m, width, "m × heads × headDim"));
  const auto positions = args.array<int32_t>("positions", m);
  const auto cos = args.array<float>("cos", 0), sin = args.array<float>("sin", cos.length);
  const int64_t rows = int64_t(cos.length) / (head_dim / 2);
  check(info.Env(), rope(x, positions, cos, sin, m, heads, head_dim, rows, inverse, stream), "rope");
}

void swiglu(const Napi::CallbackInfo& info) {
  DeviceArgs args(info);
  const int64_t n = args.size("n");
  const Floats gate = floats(info, args, "gate", n), up = alike(args, gate, "up", n), y = alike(args, gate, "y", n);
  check(info.Env(), swiglu(gate, up, y, n, stream), "swiglu");
}

void swiglu_backward(const Napi::CallbackInfo& info) {
  DeviceArgs args(info);
  const int64_t n = args.size("n");
  const Floats dy = floats(info, args, "dy", n), gate = alike(args, dy, "gate", n), up = alike(args, dy, "up", n);
  const Floats dgate = alike(args, dy, "dgate", n), dup = alike(args, dy, "dup", n);
  check(info.Env(), swiglu_backward(dy, gate, up, dgate, dup, n, stream), "swigluBackward");
}

void cross_entropy(const Napi::CallbackInfo& info) {
  DeviceArgs args(info);
  const int64_t m = args.size("m"), v = args.size("v");
  const float scale = float(args.number("scale"));
  const bool gradient = args.flag("gradient");
  const Floats logits = floats(info, args, "logits", args.product(m, v, "m × v"));
  const auto labels = args.array<int32_t>("labels", m);
  const auto losses = args.array<float>("losses", m);
  check(info.Env(), cross_entropy(logits, labels, losses, m, v, scale, gradient, stream), "crossEntropy");
}

void embedding(const Napi::CallbackInfo& info) {
  DeviceArgs args(info);
  const int64_t m = args.size("m"), d = args.size("d"), vocab = args.size("vocab");
  const auto ids = args.array<int32_t>("ids", m);
  const Floats table = floats(info, args, "table", args.product(vocab, d, "vocab × d"));
  const Floats y = floats(info, args, "y", args.product(m, d, "m × d"));
  check(info.Env(), embedding(ids, table, y, m, d, vocab, stream), "embedding");
}

void embedding_backward(const Napi::CallbackInfo& info) {
  DeviceArgs args(info);
  const int64_t m = args.size("m"), d = args.size("d"), vocab = args.size("vocab");
  const auto ids = args.array<int32_t>("ids", m);
  const Floats dy = floats(info, args, "dy", args.product(m, d, "m × d"));
  const Floats dtable = floats(info, args, "dtable", args.product(vocab, d, "vocab × d"));
  check(info.Env(), embedding_backward(ids, dy, dtable, m, d, vocab, stream), "embeddingBackward");
}

void add(const Napi::CallbackInfo& info) {
  DeviceArgs args(info);
  const int64_t n = args.size("n");
  const Floats x = floats(info, args, "x", n), y = alike(args, x, "y", n);
  check(info.Env(), add(x, y, n, stream), "add");
}

void scale(const Napi::CallbackInfo& info) {
  DeviceArgs args(info);
  const int64_t n = args.size("n");
  const float a = float(args.number("a"));
  const Floats x = floats(info, args, "x", n);
  check(info.Env(), scale(x, a, n, stream), "scale");
}

void sum_squares(const Napi::CallbackInfo& info) {
  DeviceArgs args(info);
  const int64_t n = args.size("n");
  const Floats x = floats(info, args, "x", n);
  const auto sums = args.array<float>("sums", sum_blocks);
  check(info.Env(), sum_squares(x, sums, n, stream), "sumSquares");
}

void dropout(const Napi::CallbackInfo& info) {
  DeviceArgs args(info);
  const qlora::DropoutArgs d = qlora::dropout_args(info, args);
  const Floats x = floats(info, args, "x", d.n), y = alike(args, x, "y", d.n);
  check(info.Env(), dropout(x, y, d.n, d.p, d.seed, d.offset, d.accumulate, stream), "dropout");
}

void to_bf16(const Napi::CallbackInfo& info) {
  DeviceArgs args(info);
  const int64_t n = args.size("n");
  const auto x = args.array<float>("x", n);
  const auto y = args.array<bf16>("y", n);
  check(info.Env(), convert({x.data, false}, {y.data, true}, n, stream), "toBf16");
}

void from_bf16(const Napi::CallbackInfo& info) {
  DeviceArgs args(info);
  const int64_t n = args.size("n");
  const auto x = args.array<bf16>("x", n);
  const auto y = args.array<float>("y", n);
  check(info.Env(), convert({x.data, true}, {y.data, false}, n, stream), "fromBf16");
}
}  // namespace

void export_cuda(Napi::Env env, Napi::Object exports) {
  const Napi::Object cuda = Napi::Object::New(env);
  add_function(cuda, "rmsNorm", rms_norm);
  add_function(cuda, "rmsNormBackward", rms_norm_backward);
  add_function(cuda, "rope", rope);
  add_function(cuda, "swiglu", swiglu);
  add_function(cuda, "swigluBackward", swiglu_backward);
  add_function(cuda, "crossEntropy", cross_entropy);
  add_function(cuda, "embedding", embedding);
  add_function(cuda, "embeddingBackward", embedding_backward);
  add_function(cuda, "add", add);
  add_function(cuda, "scale", scale);
  add_function(cuda, "sumSquares", sum_squares);
  add_function(cuda, "dropout", dropout);
  add_function(cuda, "toBf16", to_bf16);
  add_function(cuda, "fromBf16", from_bf16);
  export_attention_cuda(cuda);
  export_matmul_cuda(env, cuda);
  qlora::cuda::export_backend(env, exports);
  exports["cuda"] = cuda;
}
