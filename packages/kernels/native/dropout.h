// dropout.h: y = x · keep / (1 - p) with a mask that is a pure function of (seed, element), from Philox4x32-10
// (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"); the same call on dy is the backward.
//
// The stream: element j (64 bits; j = offset + index) takes word (j >> 4) & 3 of the Philox block with
//   counter = (low and high 32 bits of c, 0, 0), c = (j >> 6) · 16 + (j & 15);   key = (low, high 32 bits of seed).
// So 64 elements in a row use 16 blocks, word 0 of each, then word 1 of each, …: whole registers at any width.
// An element is kept when its word ≥ round(p · 2^32), at most 2^32 - 1.
#pragma once
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "lanes.h"

namespace qlora::QLORA_SIMD {

typedef uint64_t vl __attribute__((vector_size(W * 4)));  // W/2 of them

// 64-bit products of the even lanes of a with b: one instruction, which compilers do not find.
inline vl multiply_even(vu a, uint32_t b) {
#if defined(__AVX512F__)
  return (vl)_mm512_mul_epu32((__m512i)a, _mm512_set1_epi32(int(b)));
#elif defined(__AVX2__)
  return (vl)_mm256_mul_epu32((__m256i)a, _mm256_set1_epi32(int(b)));
#elif defined(__SSE2__)
  return (vl)_mm_mul_epu32((__m128i)a, _mm_set1_epi32(int(b)));
#elif defined(__ARM_NEON)
  return (vl)vmull_n_u32(vmovn_u64((uint64x2_t)a), b);
#else
  return ((vl)a & 0xffffffffu) * uint64_t(b);
#endif
}

// Low and high halves of the 64-bit products a · b.
inline void multiply_wide(vu a, uint32_t b, vu& low, vu& high) {
  const vl even = multiply_even(a, b), odd = multiply_even((vu)((vl)a >> 32), b);
  low = (vu)((even & 0xffffffffu) | (odd << 32));
  high = (vu)((even >> 32) | (odd & 0xffffffff00000000u));
}

// Ten rounds on W counters (c0, c1, c2, c3), in place.
inline void philox(vu& c0, vu& c1, vu& c2, vu& c3, uint32_t k0, uint32_t k1) {
  for (int round = 0; round < 10; ++round) {
    vu low0, high0, low1, high1;
    multiply_wide(c0, 0xd2511f53u, low0, high0);
    multiply_wide(c2, 0xcd9e8d57u, low1, high1);
    const vu n0 = high1 ^ c1 ^ k0, n2 = high0 ^ c3 ^ k1;
    c0 = n0, c1 = low1, c2 = n2, c3 = low0;
    k0 += 0x9e3779b9u, k1 += 0xbb67ae85u;
  }
}

// The 64 words of elements 64·block … 64·block + 63.
inline void philox_words(uint64_t block, uint64_t seed, uint32_t words[64]) {
  for (int part = 0; part < 16; part += W) {
    const uint64_t first = block * 16 + part;  // a multiple of W, so that the low words of the counters never carry
    vu c0, c1 = vu{} + uint32_t(first >> 32), c2{}, c3{};
    for (int i = 0; i < W; ++i) c0[i] = uint32_t(first) + uint32_t(i);
    philox(c0, c1, c2, c3, uint32_t(seed), uint32_t(seed >> 32));
    std::memcpy(words + part, &c0, sizeof c0);
    std::memcpy(words + 16 + part, &c1, sizeof c1);
    std::memcpy(words + 32 + part, &c2, sizeof c2);
    std::memcpy(words + 48 + part, &c3, sizeof c3);
  }
}

// y (+)= x · keep where the word is at least `threshold`.
template <bool accumulate>
inline void drop(const float* x, float* y, const uint32_t* words, int64_t n, uint32_t threshold, float keep) {
  lanes(n, [&](int64_t i, int k) {
    vu word;
    std::memcpy(&word, words + i, sizeof word);
    vf value = load_lanes(x + i, k) * keep;
    value = word >= threshold ? value : vf{};
    store_lanes(y + i, accumulate ? load_lanes(y + i, k) + value : value, k);
  });
}

inline void dropout(const float* x, float* y, int64_t n, double p, uint64_t seed, uint64_t offset, bool accumulate) {
  const uint32_t threshold = uint32_t(std::min(p * 4294967296.0 + 0.5, 4294967295.0));
  const float keep = float(1.0 / (1.0 - p));
  uint32_t words[64 + W];  // a whole register may be read from any of the 64
  for (int64_t i = 0; i < n;) {
    const int64_t first = int64_t((offset + uint64_t(i)) & 63), count = std::min(64 - first, n - i);
    philox_words((offset + uint64_t(i)) >> 6, seed, words);
    if (accumulate)
      drop<true>(x + i, y + i, words + first, count, threshold, keep);
    else
      drop<false>(x + i, y + i, words + first, count, threshold, keep);
    i += count;
  }
}

}  // namespace qlora::QLORA_SIMD
