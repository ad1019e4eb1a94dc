// int8_avx512.h: int8_kernels.h with AVX-512, and where the processor has them, dot products of bytes (vpdpbusd).
#pragma once
#include "int8_kernels.h"
#include "int8_panels_avx512.h"

namespace qlora::QLORA_SIMD {

inline void quantize_row512(const float* x, int64_t depth, bool interleaved, int32_t* out) {
  alignas(64) uint8_t order[64];
  for (int s = 0; s < 16; ++s)
    for (int j = 0; j < 4; ++j) order[4 * s + j] = uint8_t(element(interleaved, s, j));
  const __m512i to = load_bytes(order), magnitude = _mm512_set1_epi32(0x7fffffff);
  for (; depth > 0; depth -= int8_group, x += int8_group, out += int8_dwords) {
    __m512 v[4];
    __m512i most = _mm512_setzero_si512(), sum = most;
    for (int j = 0; j < 4; ++j) {
      const int64_t rest = depth - 16 * j;
      v[j] = _mm512_maskz_loadu_ps(rest >= 16 ? 0xffff : rest > 0 ? __mmask16((1u << rest) - 1) : 0, x + 16 * j);
      most = _mm512_max_epu32(most, _mm512_and_si512(_mm512_castps_si512(v[j]), magnitude));
    }
    const uint32_t bits = _mm512_reduce_max_epu32(most);
    float largest;
    std::memcpy(&largest, &bits, 4);
    const float inverse = largest > 0 ? 127.0f / largest : 0.0f, scale = largest / 127.0f;
    __m128i q[4];
    for (int j = 0; j < 4; ++j) {
      const __m512i i = (__m512i)round_to_int((vf)v[j] * inverse);
      q[j] = _mm512_cvtepi32_epi8(i);
      sum = _mm512_add_epi32(sum, _mm512_cvtepi8_epi32(q[j]));
    }
    const __m256i low = _mm256_set_m128i(q[1], q[0]), high = _mm256_set_m128i(q[3], q[2]);
    const __m512i all = _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
    _mm512_storeu_si512(out, _mm512_permutexvar_epi8(to, all));
    std::memcpy(out + 16, &scale, 4);
    out[17] = -128 * _mm512_reduce_add_epi32(sum);
  }
}

struct Vnni8 {
  static constexpr int64_t dwords = int8_dwords;
  static constexpr auto forward = fill_forward512;
  static constexpr auto backward = fill_backward512;

  // M × V registers of integers; the sums in f32 stay in the nearest cache.
  template <int M, int V>
  struct Tile {
    static void run(int64_t groups, const int32_t* x, int64_t stride, const uint8_t* bytes, const float* scales,
                    int columns, const Sums& out) {
      alignas(64) float total[M][V * W];
#pragma GCC unroll 8
      for (int m = 0; m < M; ++m)
        for (int v = 0; v < V; ++v)
          store(total[m] + v * W, out.before ? load(out.before + m * out.stride + v * W) : vf{});
      for (int64_t g = 0; g < groups; ++g, x += int8_dwords, scales += V * W) {
        __m512i c[M][V];
#pragma GCC unroll 8
        for (int m = 0; m < M; ++m)
#pragma GCC unroll 3
          for (int v = 0; v < V; ++v) c[m][v] = _mm512_set1_epi32(x[m * stride + 17]);
#pragma GCC unroll 2
        for (int s = 0; s < 16; ++s, bytes += V * 64) {
          __m512i w[V];
#pragma GCC unroll 3
          for (int v = 0; v < V; ++v) w[v] = load_bytes(bytes + 64 * v);
#pragma GCC unroll 8
          for (int m = 0; m < M; ++m) {
            const __m512i a = _mm512_set1_epi32(x[m * stride + s]);
#pragma GCC unroll 3
            for (int v = 0; v < V; ++v)  // gcc 12 spills around the intrinsic
              asm("vpdpbusd %2, %1, %0" : "+v"(c[m][v]) : "v"(w[v]), "v"(a));
          }
        }
        vf ws[V];
#pragma GCC unroll 3
        for (int v = 0; v < V; ++v) ws[v] = load(scales + v * W);
#pragma GCC unroll 8
        for (int m = 0; m < M; ++m) {
          float xs;
          std::memcpy(&xs, x + m * stride + 16, 4);
#pragma GCC unroll 3
          for (int v = 0; v < V; ++v)
            store(total[m] + v * W, fma((vf)_mm512_cvtepi32_ps(c[m][v]) * xs, ws[v], load(total[m] + v * W)));
        }
      }
      for (int m = 0; m < M; ++m)
        for (int v = 0; v < V; ++v) put(out, m, v, columns, load(total[m] + v * W));
    }
  };
  static const Tile8Table& tiles() {
    static const bool vnni = __builtin_cpu_supports("avx512vnni");
    return vnni ? tiles8<Tile> : tiles8<Tile8>;
  }
};

}  // namespace qlora::QLORA_SIMD
