// dropout.cu: y (+)= x · keep / (1 - p) on a device, with the mask of dropout.h bit for bit: a thread for one Philox block,
// whose four words belong to elements 16 apart.
#include "eight.h"

namespace qlora::cuda {
namespace {

struct Words {
  uint32_t word[4];
};
__device__ Words philox(uint64_t counter, uint64_t seed) {
  uint32_t c0 = uint32_t(counter), c1 = uint32_t(counter >> 32), c2 = 0, c3 = 0;
  uint32_t k0 = uint32_t(seed), k1 = uint32_t(seed >> 32);
#pragma unroll
  for (int round = 0; round < 10; ++round) {
    const uint32_t low0 = c0 * 0xd2511f53u, high0 = __umulhi(c0, 0xd2511f53u);
    const uint32_t low1 = c2 * 0xcd9e8d57u, high1 = __umulhi(c2, 0xcd9e8d57u);
    c0 = high1 ^ c1 ^ k0, c1 = low1, c2 = high0 ^ c3 ^ k1, c3 = low0;
    k0 += 0x9e3779b9u, k1 += 0xbb67ae85u;
  }
  return {{c0, c1, c2, c3}};
}

// Thread `at` makes the four elements (c >> 4) · 64 + (c & 15) + 16 · word of the stream, c = first + at.
template <class T>
__global__ void __launch_bounds__(threads_per_block) dropout_kernel(const T* x, T* y, int64_t n, uint32_t threshold, float keep,
                                                                    uint64_t seed, uint64_t offset, bool accumulate) {
  const uint64_t c = (offset >> 6 << 4) + uint64_t(blockIdx.x) * threads_per_block + threadIdx.x;
  const Words words = philox(c, seed);
#pragma unroll
  for (int j = 0; j < 4; ++j) {
    const int64_t i = int64_t((c >> 4 << 6) + (c & 15) + 16 * j - offset);
    if (i < 0 || i >= n) continue;
    const float value = words.word[j] >= threshold ? element(x[i]) * keep : 0;
    put(y + i, accumulate ? element(y[i]) + value : value);
  }
}

}  // namespace

Status dropout(Floats x, Floats y, int64_t n, double p, uint64_t seed, uint64_t offset, bool accumulate, Stream stream) {
  if (n == 0) return {};
  const double rounded = p * 4294967296.0 + 0.5;
  const uint32_t threshold = uint32_t(rounded < 4294967295.0 ? rounded : 4294967295.0);
  const float keep = float(1.0 / (1.0 - p));
  const uint64_t groups = ((offset + uint64_t(n) - 1) >> 6) - (offset >> 6) + 1;  // of 64 elements, 16 threads each
  const unsigned blocks = unsigned((groups * 16 + threads_per_block - 1) / threads_per_block);
  return with_type(x, [&]<class T>(T* q) {
    return launch(dropout_kernel<T>, {.grid = blocks, .block = threads_per_block, .stream = stream}, q, as<T>(y), n, threshold, keep,
                  seed, offset, accumulate);
  });
}

}  // namespace qlora::cuda
