// matmul_check.cc: dense products of two instruction sets side by side, without Node. Every array is exactly as long as
// it must be, so that a sanitizer sees whatever is read or written beyond. Usage: matmul_check <set> (compared with
// scalar)
#include <cmath>
#include <cstdio>
#include <memory>
#include <random>
#include <vector>

#include "../../native/matmul.h"

using namespace qlora;

static std::mt19937 random_bits(1);
static float uniform() { return float(random_bits() >> 8) / float(1 << 24) * 2 - 1; }

static std::unique_ptr<float[]> floats(int64_t n) {
  std::unique_ptr<float[]> data(new float[size_t(n)]);
  for (int64_t i = 0; i < n; ++i) data[size_t(i)] = uniform();
  return data;
}

static std::vector<float> run(const char* set, Product product, int64_t m, int64_t n, int64_t k, bool half,
                              bool accumulate, bool int8) {
  random_bits.seed(7);
  tables<MatmulKernels>.choose(set);
  const int64_t mk = m * k, mn = m * n, nk = n * k;
  const bool forward = product == Product::forward, gradient = product == Product::grad_weight;
  const int64_t length = forward ? mn : gradient ? nk : mk;
  const auto left = floats(forward ? mk : mn), right = floats(gradient ? mk : nk), out = floats(length);
  std::unique_ptr<uint16_t[]> words(new uint16_t[size_t(nk)]);
  for (int64_t i = 0; i < nk; ++i) words[size_t(i)] = uint16_t(0x3f00 + random_bits() % 256);
  matmul({product, m, n, k, 0.5f, accumulate, int8, left.get(), half ? nullptr : right.get(), half ? words.get() : nullptr,
          out.get()});
  return {out.get(), out.get() + length};
}

int main(int, char** argv) {
  Pool::instance().resize(2);
  int cases = 0;
  for (const Product product : {Product::forward, Product::transposed, Product::grad_weight})
    for (const int64_t m : {1, 2, 3, 4, 5, 8, 19, 70})
      for (const int64_t n : {1, 3, 16, 49, 130})
        for (const int64_t k : {1, 7, 48, 131, 400})
          for (const bool half : {false, true})
            for (const int flags : {0, 1, 2, 3}) {
              const bool accumulate = flags & 1, int8 = flags & 2;
              if ((half || int8) && product == Product::grad_weight) continue;
              const auto a = run("scalar", product, m, n, k, half, accumulate, int8);
              const auto b = run(argv[1], product, m, n, k, half, accumulate, int8);
              const int64_t terms = product == Product::forward ? k : product == Product::transposed ? n : m;
              double error = 0, norm = 0.01 * double(terms) * double(a.size());  // a single sum may cancel
              for (size_t i = 0; i < a.size(); ++i) {
                error += std::pow(double(a[i]) - b[i], 2);
                norm += std::pow(double(a[i]), 2);
              }
              ++cases;
              if (!(std::sqrt(error / norm) < 1e-6)) {
                std::printf("product %d, m %ld n %ld k %ld ", int(product), long(m), long(n), long(k));
                std::printf("bf16 %d int8 %d: %g\n", half, int8, std::sqrt(error / norm));
                return 1;
              }
            }
  std::printf("%d cases\n", cases);
  return 0;
}
