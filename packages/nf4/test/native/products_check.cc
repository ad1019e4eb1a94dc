// products_check.cc: products of two instruction sets side by side, without Node. Every array is exactly as long as it
// must be, so that a sanitizer sees whatever is read or written beyond. Usage: products_check <set> (compared with
// scalar)
#include <cmath>
#include <cstdio>
#include <cstring>
#include <memory>
#include <random>
#include <vector>

#include "../../native/products.h"

using namespace qlora;

static std::mt19937 random_bits(1);
static float uniform() { return float(random_bits() >> 8) / float(1 << 24) * 2 - 1; }

// An array on the heap by itself.
template <class T>
struct Array {
  std::unique_ptr<T[]> data;
  explicit Array(int64_t n, T (*make)() = [] { return T(); }) : data(new T[size_t(n)]) {
    for (int64_t i = 0; i < n; ++i) data[size_t(i)] = make();
  }
};

struct Case {
  int64_t m, n, k, block;
  bool transposed, tiled, nested, shifted, int8, accumulate;
};

static std::vector<float> run(const char* set, const Case& c) {
  random_bits.seed(7);
  tables<ProductKernels>.choose(set);
  const int64_t elements = c.n * c.k, blocks = (elements + c.block - 1) / c.block, groups = (blocks + 255) / 256;
  const int64_t length = c.m * (c.transposed ? c.n : c.k), result = c.m * (c.transposed ? c.k : c.n);
  const auto byte = [] { return uint8_t(random_bits()); };
  Array<uint8_t> codes((elements + 1) / 2, byte), scale_codes(blocks, byte), shift_codes(blocks, byte);
  Array<float> levels(16, uniform), map(256, uniform), scales(c.nested ? groups : blocks, uniform), x(length, uniform);
  Array<float> shifts(c.nested ? groups : blocks, uniform), out(result, uniform);
  const uint8_t* const codes_of_scales = c.nested ? scale_codes.data.get() : nullptr;
  const uint8_t* const codes_of_shifts = c.nested ? shift_codes.data.get() : nullptr;
  const BlockValues scale{scales.data.get(), codes_of_scales, map.data.get(), 0.25f, nullptr};
  const BlockValues shift{shifts.data.get(), codes_of_shifts, map.data.get(), 0, nullptr};
  const Weights4 w{c.n, c.k, codes.data.get(), c.tiled, levels.data.get(), 100, 0, c.block, scale,
                   c.shifted ? shift : BlockValues{}};
  product4({c.transposed, c.accumulate, c.int8 ? Int8::general : Int8::none, c.m, x.data.get(), out.data.get(), w});
  return {out.data.get(), out.data.get() + result};
}

int main(int, char** argv) {
  Pool::instance().resize(2);
  int cases = 0, index = 0;
  double worst = 0;
  const int64_t shapes[][2] = {{1, 1},    {3, 5},     {16, 64},  {48, 128},  {33, 192}, {65, 200},
                               {80, 448}, {130, 321}, {7, 1000}, {176, 576}, {304, 64}};
  for (const auto& [n, k] : shapes)
    for (const int64_t m : {1, 2, 3, 4, 5, 9, 50})
      for (const int64_t block : {32, 64, 128, 4096})
        for (int bits = 0; bits < 64; ++bits) {
          const auto bit = [&](int i) { return bool(bits >> i & 1); };
          const Case c{m, n, k, block, bit(0), bit(1), bit(2), bit(3), bit(4), bit(5)};
          if (c.tiled && (n % 16 || k % block)) continue;
          if (index++ % 5) continue;  // a fifth of them meets every combination with some shape
          const std::vector<float> a = run("scalar", c), b = run(argv[1], c);
          double error = 0, norm = 0;
          for (size_t i = 0; i < a.size(); ++i) {
            error += std::pow(double(a[i]) - b[i], 2);
            norm += std::pow(double(a[i]), 2);
          }
          const double distance = std::sqrt(error / (norm > 0 ? norm : 1));
          worst = std::max(worst, std::isnan(distance) ? 1 : distance);
          ++cases;
          if (!(distance < 1e-6)) {
            std::printf("m %ld n %ld k %ld block %ld", long(m), long(n), long(k), long(block));
            std::printf(" transposed %d tiled %d nested %d", c.transposed, c.tiled, c.nested);
            std::printf(" shifted %d int8 %d: %g\n", c.shifted, c.int8, distance);
            return 1;
          }
        }
  std::printf("%d cases\n", cases);
  return 0;
}
