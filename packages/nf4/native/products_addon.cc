// products_addon.cc: arguments of the products with 4-bit weights in, nothing else.
#include "products.h"
#include "qlora/napi.h"

namespace {

uint64_t ceil(uint64_t a, uint64_t b) { return (a + b - 1) / b; }

// (codes | null, map | null, absmax | null, offset): one f32 per block, or none at all.
qlora::BlockValues block_values(qlora::Args& args, Napi::Env env, uint64_t blocks, const std::string& name) {
  qlora::BlockValues values{};
  values.codes = args.optional<uint8_t>((name + " codes").c_str(), blocks);
  values.map = args.optional<float>((name + " map").c_str(), 256);
  if (values.codes && !values.map) throw Napi::TypeError::New(env, name + " codes need a map");
  values.absmax = args.optional<float>((name + " absmax").c_str(), values.codes ? ceil(blocks, 256) : blocks);
  values.offset = float(args.number((name + " offset").c_str()));
  return values;
}

// (transposed, accumulate, int8, m, n, k, tiled, blockSize, x, out, codes, levels, levelScale, four of scale, four of
// shift)
void product4(const Napi::CallbackInfo& info) {
  qlora::Args args(info);
  qlora::Product4 p{};
  p.transposed = args.flag("transposed");
  p.accumulate = args.flag("accumulate");
  p.int8 = args.flag("int8") ? qlora::Int8::general : qlora::Int8::none;  // product4 finds the best way
  p.m = args.size("m");
  p.w.n = args.size("n");
  p.w.k = args.size("k");
  p.w.tiled = args.flag("tiled");
  p.w.block = args.size("blockSize");
  if (p.w.block < 1 || (p.w.block & (p.w.block - 1)))
    throw Napi::RangeError::New(info.Env(), "blockSize must be a power of two, got " + std::to_string(p.w.block));
  if (p.w.tiled && (p.w.n % 16 || p.w.block % 16 || p.w.k % p.w.block))
    throw Napi::RangeError::New(info.Env(), "tiles need n % 16 = 0, blockSize % 16 = 0 and k % blockSize = 0");
  const uint64_t mk = args.product(p.m, p.w.k, "m × k"), mn = args.product(p.m, p.w.n, "m × n");
  const uint64_t elements = args.product(p.w.n, p.w.k, "n × k"), blocks = ceil(elements, uint64_t(p.w.block));
  p.x = args.array<float>(p.transposed ? "dy" : "x", p.transposed ? mn : mk);
  p.out = args.array<float>("out", p.transposed ? mk : mn);
  p.w.codes = args.array<uint8_t>("codes", ceil(elements, 2));
  p.w.levels = args.array<float>("levels", 16);
  p.w.level_max = 0;
  p.w.level_scale = float(args.number("levelScale"));
  p.w.scale = block_values(args, info.Env(), blocks, "scale");
  p.w.shift = block_values(args, info.Env(), blocks, "shift");
  if (blocks && !p.w.scale.absmax) throw Napi::TypeError::New(info.Env(), "scale absmax must be a Float32Array");
  qlora::product4(p);
}

// (tiled, n, k, codes, out)
void retile4(const Napi::CallbackInfo& info) {
  qlora::Args args(info);
  const bool tiled = args.flag("tiled");
  const int64_t n = args.size("n"), k = args.size("k");
  if (n % 16 || k % 16) throw Napi::RangeError::New(info.Env(), "tiles need n % 16 = 0 and k % 16 = 0");
  const uint64_t bytes = args.product(n, k, "n × k") / 2;
  const auto codes = args.array<uint8_t>("codes", bytes);
  qlora::retile4(tiled, n, k, codes, args.array<uint8_t>("out", bytes));
}

// (array): bytes from the beginning of a cache line to that of the array
Napi::Value misalignment(const Napi::CallbackInfo& info) {
  const uint8_t* data = qlora::Args(info).array<uint8_t>("array", 0);
  return Napi::Number::New(info.Env(), double(uintptr_t(data) % qlora::tile_bytes));
}

}  // namespace

void export_products(Napi::Env env, Napi::Object exports) {
  exports["product4"] = Napi::Function::New(env, product4);
  exports["retile4"] = Napi::Function::New(env, retile4);
  exports["misalignment"] = Napi::Function::New(env, misalignment);
}
