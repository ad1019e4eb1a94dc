// gemm_int8_avx512.h: gemm_int8.h with AVX-512, and where the processor has them, dot products of bytes (vpdpbusd).
#pragma once
#include "gemm_int8.h"

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

// As round_group.
inline void round_group512(const float* b, const Group8& out) {
  alignas(64) static constexpr auto order = [] {
    struct { uint8_t at[64]; } o{};
    for (int i = 0; i < 64; ++i) o.at[i] = uint8_t(i % 4 * 4 + i % 16 / 4);
    return o;
  }();
  const __m512i magnitude = _mm512_set1_epi32(0x7fffffff), transposed = load_bytes(order.at), sign = _mm512_set1_epi8(-128);
  const int64_t width = out.width;
  for (int c = 0; c < width; c += 16) {
    __m512i bits[4]{};
    for (int i = 0; i < int8_group; i += 4)
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j)
        bits[j] = _mm512_max_epi32(bits[j], _mm512_and_si512(_mm512_loadu_si512(b + (i + j) * width + c), magnitude));
    const vf most = (vf)_mm512_max_epi32(_mm512_max_epi32(bits[0], bits[1]), _mm512_max_epi32(bits[2], bits[3]));
    const vf inverse = most > 0 ? 127.0f / most : vf{};
    store(out.scales + c, most / 127.0f);
    const float* p = b + c;
    uint8_t* o = out.bytes + 4 * c;
    for (int s = 0; s < 16; ++s, p += 4 * width, o += 4 * width) {
      __m512i q[4];
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) q[j] = _mm512_cvtps_epi32((__m512)(load(p + j * width) * inverse));
      const __m512i all = _mm512_packs_epi16(_mm512_packs_epi32(q[0], q[1]), _mm512_packs_epi32(q[2], q[3]));
      _mm512_storeu_si512(o, _mm512_xor_si512(_mm512_shuffle_epi8(all, transposed), sign));
    }
  }
}

struct Vnni8 {
  static constexpr int64_t dwords = int8_dwords;
  static constexpr auto quantize = quantize_row512;
  static constexpr auto round = round_group512;

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
