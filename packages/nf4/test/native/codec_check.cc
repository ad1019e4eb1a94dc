// codec_check.cc: two instruction sets of the codec side by side, without Node: any difference in any byte ends it with 1.
// Usage: codec_check <set> (compared with scalar). Built by neon.test.ts for a processor that this machine only emulates.
#include <cstdio>
#include <cstring>
#include <random>
#include <vector>

#include "../../native/codec.h"
#include "qlora/pool.h"
#include "qlora/simd.h"

using namespace qlora;
using namespace qlora::nf4;

static const float nf4_levels[16] = {-1.0f, -0.6961928009986877f, -0.5250730514526367f, -0.39491748809814453f,
                                     -0.28444138169288635f, -0.18477343022823334f, -0.09105003625154495f, 0.0f,
                                     0.07958029955625534f, 0.16093020141124725f, 0.24611230194568634f, 0.33791524171829224f,
                                     0.44070982933044434f, 0.5626170039176941f, 0.7229568362236023f, 1.0f};
static const float unordered[16] = {0, 0.0052f, 0.667f, 1, 0.333f, 0.5f, 0.167f, 0.25f, 0, -0.0052f, -0.667f, -1, -0.333f, -0.5f, -0.167f, -0.25f};

struct Result {
  std::vector<float> scales, shifts, values;
  std::vector<uint8_t> codes, codes8;
  std::vector<uint16_t> words;
  template <class T>
  static bool same(const std::vector<T>& a, const std::vector<T>& b) {
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
  }
  bool operator==(const Result& o) const {
    return same(scales, o.scales) && same(shifts, o.shifts) && same(values, o.values) && same(codes, o.codes) &&
           same(codes8, o.codes8) && same(words, o.words);
  }
};

static Result run(const char* set, const void* x, Type type, const std::vector<float>& wide, int block, const float* levels,
                  bool is_signed, bool search) {
  tables<Codec>.choose(set);
  const int64_t n = int64_t(wide.size()), count = (n + block - 1) / block;
  Result r;
  r.scales.resize(count), r.shifts.resize(count), r.codes.resize((n + 1) / 2), r.values.resize(n), r.words.resize(n), r.codes8.resize(n);
  const Codebook codebook = prepare(levels);
  std::vector<double> costs(block + 1);
  for (int c = 1; c <= block; ++c) costs[c] = c * (c & 63);  // any costs will do here
  std::vector<float> fractions = {-0.05f, -0.02f, 0, 0.01f, 0.05f}, factors = {1, 0.8f, 0.9f, 1.1f};
  if (search) {
    search_shifts(x, type, n, block, codebook, is_signed, fractions.data(), int(fractions.size()), costs.data(), r.shifts.data());
    guard_shifts(x, type, n, block, codebook, is_signed, costs.data(), r.shifts.data());
  }
  quantize(x, type, n, block, codebook, is_signed, search ? r.shifts.data() : nullptr, search ? factors.data() : nullptr,
           int(factors.size()), r.scales.data(), r.codes.data());
  const Scales scales{r.scales.data(), nullptr, nullptr, 0};
  dequantize(r.codes.data(), levels, n, block, scales, search ? r.shifts.data() : nullptr, r.values.data(), Type::f32);
  dequantize(r.codes.data(), levels, n, block, scales, search ? r.shifts.data() : nullptr, r.words.data(), Type::bf16);
  float map[256], absmax[4096];
  for (int i = 0; i < 256; ++i) map[i] = float(i - 128) / 128;
  quantize_blockwise(wide.data(), n, 256, map, 0.001f, absmax, r.codes8.data());
  return r;
}

int main(int, char** argv) {
  if (!simd_supported(Simd::scalar) || !tables<Codec>.choose(argv[1])) return std::printf("no %s here\n", argv[1]), 2;
  Pool::instance().resize(2);
  std::mt19937 random(1);
  std::normal_distribution<float> normal(0, 0.02f);
  int cases = 0;
  for (int block : {32, 64, 256, 4096})
    for (int n : {1, 31, 32, 33, 64, 65, 257, 4097, 40001})
      for (Type type : {Type::f32, Type::bf16, Type::f16})
        for (const float* levels : {nf4_levels, unordered})
          for (int policy = 0; policy < 4; ++policy) {
            std::vector<float> x(n);
            for (float& v : x) v = normal(random);
            if (n > 200) std::fill(x.begin() + 64, x.begin() + 200, 0.0f), x[70] = 0x1p-140f;
            std::vector<uint16_t> halves(n);
            for (int i = 0; i < n; ++i) {
              uint32_t bits;
              std::memcpy(&bits, &x[i], 4);
              halves[i] = type == Type::bf16 ? uint16_t(bits >> 16) : uint16_t(random() & 0xbbff);
            }
            const void* data = type == Type::f32 ? static_cast<void*>(x.data()) : halves.data();
            const bool search = (policy & 1) && n < 5000;
            if (!(run(argv[1], data, type, x, block, levels, policy & 2, search) ==
                  run("scalar", data, type, x, block, levels, policy & 2, search)))
              return std::printf("different: block %d, n %d, type %d, policy %d\n", block, n, int(type), policy), 1;
            ++cases;
          }
  std::printf("%d cases, the same bytes\n", cases);
}
