// codec.cc: tensors cut into chunks, one task each; the active instruction set does the chunks.
#include "codec.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>

#include "qlora/pages.h"
#include "qlora/pool.h"
#include "qlora/simd.h"

namespace qlora::nf4 {

namespace {
int64_t chunks(int64_t n) { return (n + chunk - 1) / chunk; }

// Keeps the least index seen.
void lower(std::atomic<int64_t>& least, int64_t index) {
  int64_t seen = least.load();
  while (index < seen && !least.compare_exchange_weak(seen, index)) {}
}

bool all_finite(const float* x, int64_t n) {
  bool all = true;
  for (int64_t i = 0; i < n; ++i) all &= std::fabs(x[i]) <= std::numeric_limits<float>::max();
  return all;
}

// Runs f(begin, length, first block) for every chunk, several in a row so that they are read as one stream; returns the first block
// whose value is not finite, or -1.
template <class F>
int64_t for_chunks(int64_t n, int block, const float* value, F f) {
  std::atomic<int64_t> bad{INT64_MAX};
  const int64_t row = std::clamp<int64_t>(chunks(n) / 64, 1, 8) * chunk;
  parallel_for((n + row - 1) / row, [&](int64_t task) {
    for (int64_t begin = task * row; begin < std::min(n, (task + 1) * row); begin += chunk) {
      const int64_t length = std::min(chunk, n - begin), first = begin / block, count = (length + block - 1) / block;
      f(begin, length, first);
      if (all_finite(value + first, count)) continue;
      for (int64_t b = count; b-- > 0;)
        if (!std::isfinite(value[first + b])) lower(bad, first + b);
    }
  });
  return bad == INT64_MAX ? -1 : bad.load();
}

const void* at(const void* x, Type type, int64_t i) { return static_cast<const char*>(x) + i * (type == Type::f32 ? 4 : 2); }

// Weights as f32: where they are, or in `scratch`.
const float* widen(const Codec& codec, const void* x, Type type, int64_t begin, int64_t length, float* scratch) {
  if (type == Type::f32) return static_cast<const float*>(x) + begin;
  codec.widen(static_cast<const uint16_t*>(x) + begin, type, length, scratch);
  return scratch;
}

// A decoding task is n/64 elements within these bounds: a fence after each costs less, the longer they are.
constexpr int64_t longest = 16 * chunk;

// Output that would not stay in the caches goes past them.
constexpr int64_t stream_bytes = 8 << 20;
}  // namespace

int64_t quantize(const void* x, Type type, int64_t n, int block, const Codebook& codebook, bool is_signed,
                 const float* shift, const float* factors, int factor_count, float* scale, uint8_t* codes) {
  const Codec& codec = tables<Codec>.active();
  prefer_huge_pages(codes, (n + 1) / 2);
  prefer_huge_pages(scale, (n + block - 1) / block * 4);
  return for_chunks(n, block, scale, [&](int64_t begin, int64_t length, int64_t first) {
    if (!shift && !factors && type != Type::f16)
      return codec.quantize(at(x, type, begin), type, length, block, codebook, is_signed, scale + first, codes + begin / 2);
    alignas(64) float scratch[chunk];
    const float* wide = widen(codec, x, type, begin, length, scratch);
    if (shift) {
      for (int64_t i = 0; i < length; i += block)
        for (int64_t j = i; j < std::min(length, i + block); ++j) scratch[j] = wide[j] - shift[first + i / block];
      wide = scratch;
    }
    codec.quantize(wide, Type::f32, length, block, codebook, is_signed, scale + first, codes + begin / 2);
    if (!factors) return;
    codec.search_scales(wide, length, block, codebook, factors, factor_count, scale + first);
    codec.encode(wide, length, block, codebook, scale + first, codes + begin / 2);
  });
}

int64_t search_shifts(const void* x, Type type, int64_t n, int block, const Codebook& codebook, bool is_signed,
                      const float* fractions, int count, const double* costs, float* shift) {
  const Codec& codec = tables<Codec>.active();
  return for_chunks(n, block, shift, [&](int64_t begin, int64_t length, int64_t first) {
    alignas(64) float scratch[chunk];
    const float* wide = widen(codec, x, type, begin, length, scratch);
    codec.search_shifts(wide, length, block, codebook, is_signed, fractions, count, costs, shift + first);
  });
}

void guard_shifts(const void* x, Type type, int64_t n, int block, const Codebook& codebook, bool is_signed,
                  const double* costs, float* shift) {
  const Codec& codec = tables<Codec>.active();
  for_chunks(n, block, shift, [&](int64_t begin, int64_t length, int64_t first) {
    alignas(64) float scratch[chunk];
    const float* wide = widen(codec, x, type, begin, length, scratch);
    codec.guard_shifts(wide, length, block, codebook, is_signed, costs, shift + first);
  });
}

void dequantize(const uint8_t* codes, const float* level, int64_t n, int block, Scales scales, const float* shift,
                void* out, Type type) {
  const Codec& codec = tables<Codec>.active();
  const int size = type == Type::f32 ? 4 : 2;
  const bool stream = n * size >= stream_bytes;
  prefer_huge_pages(out, n * size);
  const int64_t task_size = std::clamp(chunks(n / 64) * chunk, chunk, longest);
  parallel_for((n + task_size - 1) / task_size, [&](int64_t task) {
    const int64_t begin = task * task_size, length = std::min(task_size, n - begin), first = begin / block;
    const float* scale = scales.absmax + first;
    float unnested[longest / 32];
    if (scales.codes) {
      const int64_t count = (length + block - 1) / block;
      for (int64_t b = 0; b < count; ++b)
        unnested[b] = scales.map[scales.codes[first + b]] * scales.absmax[(first + b) / 256] + scales.offset;
      scale = unnested;
    }
    codec.dequantize(codes + begin / 2, level, length, block, scale, shift ? shift + first : nullptr,
                     static_cast<char*>(out) + begin * size, type, stream);
  });
}

}  // namespace qlora::nf4
