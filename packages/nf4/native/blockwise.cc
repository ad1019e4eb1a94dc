// blockwise.cc: the 8-bit blockwise codec that double quantisation rests on.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <vector>

#include "codec.h"
#include "qlora/pool.h"
#include "qlora/simd.h"

namespace qlora::nf4 {

int64_t quantize_blockwise(const float* x, int64_t n, int64_t block, const float* map, float offset, float* absmax,
                           uint8_t* codes) {
  const Codec& codec = tables<Codec>.active();
  float pivot[256] = {};  // 255 of them
  for (int j = 0; j < 255; ++j) pivot[j] = float((double(map[j]) + double(map[j + 1])) / 2);
  std::atomic<int64_t> bad{INT64_MAX};
  const int64_t blocks = (n + block - 1) / block, group = std::max<int64_t>(1, chunk / block);
  parallel_for((blocks + group - 1) / group, [&](int64_t task) {
    float centred[chunk];
    for (int64_t b = task * group; b < std::min(blocks, (task + 1) * group); ++b) {
      const int64_t begin = b * block, end = std::min(n, begin + block);
      float most[16] = {}, zero[16] = {};  // a sum of zeros is NaN where a value is not finite
      for (int64_t i = begin; i < end; i += 16)
        for (int64_t j = 0; j < std::min<int64_t>(16, end - i); ++j) {
          const float value = x[i + j] - offset;
          most[j] = std::max(most[j], std::fabs(value));
          zero[j] += value * 0;
        }
      float largest = 0, sum = 0;
      for (int j = 0; j < 16; ++j) largest = std::max(largest, most[j]), sum += zero[j];
      absmax[b] = largest + sum;
      if (!std::isfinite(absmax[b])) {
        int64_t seen = bad.load();
        while (b < seen && !bad.compare_exchange_weak(seen, b)) {}
        continue;
      }
      float lift = 1, inverse = largest == 0 ? 0 : 1 / largest;
      if (std::isinf(inverse)) lift = 0x1p64f, inverse = 1 / (largest * lift);
      for (int64_t i = begin; i < end; i += chunk) {
        const int64_t length = std::min(chunk, end - i);
        for (int64_t j = 0; j < length; ++j) centred[j] = x[i + j] - offset;
        codec.encode8(centred, length, lift, inverse, pivot, codes + i);
      }
    }
  });
  return bad == INT64_MAX ? -1 : bad.load();
}

void dequantize_blockwise(const uint8_t* codes, int64_t n, int64_t block, const float* map, const float* absmax,
                          float offset, float* out) {
  parallel_for((n + chunk - 1) / chunk, [&](int64_t task) {
    for (int64_t i = task * chunk; i < std::min(n, (task + 1) * chunk);) {
      const int64_t b = i / block, end = std::min({n, (task + 1) * chunk, (b + 1) * block});
      for (; i < end; ++i) out[i] = map[codes[i]] * absmax[b] + offset;
    }
  });
}

float mean(const float* x, int64_t n) {
  const int64_t groups = (n + 255) / 256, per_task = chunk / 256;
  std::vector<double> sums(groups);
  parallel_for((groups + per_task - 1) / per_task, [&](int64_t task) {
    for (int64_t g = task * per_task; g < std::min(groups, (task + 1) * per_task); ++g) {
      double lane[8] = {}, sum = 0;
      const float* p = x + g * 256;
      const int64_t length = std::min<int64_t>(256, n - g * 256), whole = length / 8 * 8;
      for (int64_t i = 0; i < whole; i += 8)
        for (int j = 0; j < 8; ++j) lane[j] += p[i + j];
      for (int64_t i = whole; i < length; ++i) lane[i - whole] += p[i];
      for (double value : lane) sum += value;
      sums[g] = sum;
    }
  });
  double total = 0;
  for (double sum : sums) total += sum;
  return n ? float(total / double(n)) : 0;
}

}  // namespace qlora::nf4
