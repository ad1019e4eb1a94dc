// gemm_int8_avx2.h: gemm_int8.h with AVX2: bytes widened to 16 bits on the way, products in pairs (vpmaddwd). Pairs of bytes
// (vpmaddubsw) would not fit 16 bits here without a sign for every product.
#pragma once
#include "gemm_int8.h"

namespace qlora::QLORA_SIMD {

// A row of x as words: for each dword of weight bytes 0 … 3 the elements of bytes 0 and 2, then those of 1 and 3.
inline void quantize_row2(const float* x, int64_t depth, bool interleaved, int32_t* out) {
  const auto four = [](int a, int b, int c, int d) { return _mm256_setr_epi32(a, b, c, d, 0, 0, 0, 0); };
  const __m256i lower = interleaved ? four(0, 2, 1, 3) : four(0, 1, 4, 5);
  const __m256i upper = interleaved ? four(4, 6, 5, 7) : four(2, 3, 6, 7);
  for (; depth > 0; depth -= int8_group, x += int8_group, out += 34) {
    vf v[int8_group / W];
    vi most{}, sum{};
    for (int j = 0; j < int8_group / W; ++j) {
      const int64_t rest = depth - W * j;
      v[j] = rest >= W ? load(x + W * j) : rest > 0 ? load_part(x + W * j, int(rest)) : vf{};
      const vi bits = (vi)abs(v[j]);
      most = bits > most ? bits : most;
    }
    const float largest = largest_of(most);
    const float inverse = largest > 0 ? 127.0f / largest : 0.0f, scale = largest / 127.0f;
    for (int j = 0; j < int8_group / W; ++j) {
      const vi q = round_to_int(v[j] * inverse) << 24 >> 24;
      sum += q;
      const __m256i a = _mm256_permutevar8x32_epi32((__m256i)q, lower);
      const __m256i b = _mm256_permutevar8x32_epi32((__m256i)q, upper);
      const __m256i pairs = _mm256_blend_epi16(a, _mm256_slli_epi32(b, 16), 0xaa);
      _mm_storeu_si128((__m128i*)(out + 4 * j), _mm256_castsi256_si128(pairs));
    }
    std::memcpy(out + 32, &scale, 4);
    int32_t total = 0;
    for (int i = 0; i < W; ++i) total += sum[i];
    out[33] = -128 * total;
  }
}

struct Words8 {
  static constexpr int64_t dwords = 34;
  static constexpr auto quantize = quantize_row2;
  static constexpr auto round = round_group;

  // M × V registers of integers; the sums in f32 stay in the nearest cache.
  template <int M, int V>
  struct Tile {
    static void run(int64_t groups, const int32_t* x, int64_t stride, const uint8_t* bytes, const float* scales,
                    int columns, const Sums& out) {
      alignas(32) float total[M][V * W];
#pragma GCC unroll 6
      for (int m = 0; m < M; ++m)
        for (int v = 0; v < V; ++v)
          store(total[m] + v * W, out.before ? load(out.before + m * out.stride + v * W) : vf{});
      for (int64_t g = 0; g < groups; ++g, x += dwords, scales += V * W) {
        __m256i c[M][V];
#pragma GCC unroll 6
        for (int m = 0; m < M; ++m)
#pragma GCC unroll 2
          for (int v = 0; v < V; ++v) c[m][v] = _mm256_set1_epi32(x[m * stride + 33]);
#pragma GCC unroll 2
        for (int s = 0; s < 16; ++s, bytes += V * 32)
#pragma GCC unroll 2
          for (int odd = 0; odd < 2; ++odd) {
            __m256i w[V];
#pragma GCC unroll 2
            for (int v = 0; v < V; ++v) {
              w[v] = load_bytes(bytes + 32 * v);
              w[v] = odd ? _mm256_srli_epi16(w[v], 8) : _mm256_and_si256(w[v], _mm256_set1_epi16(255));
            }
#pragma GCC unroll 6
            for (int m = 0; m < M; ++m) {
              const __m256i a = _mm256_set1_epi32(x[m * stride + 2 * s + odd]);
#pragma GCC unroll 2
              for (int v = 0; v < V; ++v)  // gcc 12 adds in another order and keeps sums in memory
                asm("vpaddd %1, %0, %0" : "+x"(c[m][v]) : "x"(_mm256_madd_epi16(w[v], a)));
            }
          }
        vf ws[V];
#pragma GCC unroll 2
        for (int v = 0; v < V; ++v) ws[v] = load(scales + v * W);
#pragma GCC unroll 6
        for (int m = 0; m < M; ++m) {
          float xs;
          std::memcpy(&xs, x + m * stride + 32, 4);
#pragma GCC unroll 2
          for (int v = 0; v < V; ++v)
            store(total[m] + v * W, fma((vf)_mm256_cvtepi32_ps(c[m][v]) * xs, ws[v], load(total[m] + v * W)));
        }
      }
      for (int m = 0; m < M; ++m)
        for (int v = 0; v < V; ++v) put(out, m, v, columns, load(total[m] + v * W));
    }
  };
  static const Tile8Table& tiles() { return tiles8<Tile>; }
};

}  // namespace qlora::QLORA_SIMD
