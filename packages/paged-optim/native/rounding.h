// rounding.h: f32 to bf16, to nearest even or stochastically, and back (part of kernels_*.cc).
#pragma once
#include "optim.h"
#include "qlora/vec.h"

namespace qlora::QLORA_SIMD {

using optim::Random;

inline vu load_bits(const float* p) {
  vu v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
inline void store_half(uint16_t* p, vu upper) {
  const vh h = __builtin_convertvector(upper >> 16, vh);
  std::memcpy(p, &h, sizeof h);
}
// NaN keeps its sign and becomes quiet; adding to its bits could turn it into a number.
inline vu or_nan(vu rounded, vu bits) { return (bits & 0x7fffffffu) > 0x7f800000u ? bits | 0x400000u : rounded; }
inline vu to_nearest(vu bits) { return or_nan(bits + (0x7fffu + ((bits >> 16) & 1u)), bits); }

inline void widen(const uint16_t* x, float* y, int64_t n) {
  int64_t i = 0;
  for (; i + W <= n; i += W) store(y + i, qlora::QLORA_SIMD::widen(x + i));
  for (; i < n; ++i) {
    const uint32_t bits = uint32_t(x[i]) << 16;
    std::memcpy(y + i, &bits, 4);
  }
}

inline void narrow(const float* x, uint16_t* y, int64_t n) {
  int64_t i = 0;
  for (; i + W <= n; i += W) store_half(y + i, to_nearest(load_bits(x + i)));
  if (i < n) {
    uint16_t rest[W];
    store_half(rest, to_nearest((vu)load_part(x + i, int(n - i))));
    std::memcpy(y + i, rest, size_t(n - i) * 2);
  }
}

// a · b in 64 bits, by halves.
inline void multiply(vu a, uint32_t b, vu& high, vu& low) {
  low = a * b;
#if defined(__AVX512F__)
  const __m512i factor = _mm512_set1_epi32(int(b)), even = _mm512_mul_epu32((__m512i)a, factor),
                odd = _mm512_mul_epu32(_mm512_srli_epi64((__m512i)a, 32), factor);
  high = (vu)_mm512_mask_blend_epi32(0xaaaa, _mm512_srli_epi64(even, 32), odd);
#elif defined(__AVX2__)
  const __m256i factor = _mm256_set1_epi32(int(b)), even = _mm256_mul_epu32((__m256i)a, factor),
                odd = _mm256_mul_epu32(_mm256_srli_epi64((__m256i)a, 32), factor);
  high = (vu)_mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xaa);
#else
  for (int i = 0; i < W; ++i) high[i] = uint32_t(uint64_t(a[i]) * b >> 32);
#endif
}

// Philox4x32-10 (Salmon et al. 2011): 128 random bits per counter, a lane each.
inline void philox(vu c[4], const uint32_t key[2]) {
  uint32_t k0 = key[0], k1 = key[1];
  for (int round = 0; round < 10; ++round, k0 += 0x9e3779b9u, k1 += 0xbb67ae85u) {
    vu high0, low0, high1, low1;
    multiply(c[0], 0xd2511f53u, high0, low0);
    multiply(c[2], 0xcd9e8d57u, high1, low1);
    c[0] = high1 ^ c[1] ^ k0;
    c[1] = low1;
    c[2] = high0 ^ c[3] ^ k1;
    c[3] = low0;
  }
}

// 16 random bits for each of 128 elements from 16 counters: element e takes counter 16·(e / 128) + e % 16 and of its
// eight halves number (e % 128) / 16, lower half of a word first.
inline void random_bits(int64_t first, const Random& random, uint32_t bits[4][16]) {
  static constexpr uint32_t lanes[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  const uint64_t counter = uint64_t(first) / 8;  // a multiple of 16: adding a lane never carries
  for (int lane = 0; lane < 16; lane += W) {
    vu c[4];
    std::memcpy(&c[0], lanes + lane, sizeof c[0]);
    c[0] += uint32_t(counter);
    c[1] = vu{} + uint32_t(counter >> 32);
    c[2] = vu{} + random.parameter;
    c[3] = vu{} + random.step;
    philox(c, random.key);
    for (int k = 0; k < 4; ++k) std::memcpy(&bits[k][lane], &c[k], sizeof c[k]);
  }
}

inline void narrow_stochastic(const float* x, uint16_t* y, int64_t n, int64_t first, const Random& random) {
  uint32_t bits[4][16] = {};
  for (int64_t i = 0; i < n; i += W) {
    const int e = int(i % 128);
    if (e == 0) random_bits(first + i, random, bits);
    vu r;
    std::memcpy(&r, &bits[e / 32][e % 16], sizeof r);
    r = (r >> (e / 16 % 2 * 16)) & 0xffffu;
    if (i + W <= n) {
      const vu v = load_bits(x + i);
      store_half(y + i, or_nan(v + r, v));
    } else {
      const vu v = (vu)load_part(x + i, int(n - i));
      uint16_t rest[W];
      store_half(rest, or_nan(v + r, v));
      std::memcpy(y + i, rest, size_t(n - i) * 2);
    }
  }
}

}  // namespace qlora::QLORA_SIMD
