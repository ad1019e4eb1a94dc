// int8_avx512.h: int8_kernels.h with AVX-512: 64 codes a look-up (vpshufb), and where the processor has them, dot products of
// bytes (vpdpbusd).
#pragma once
#include "gemv_avx512.h"
#include "int8_kernels.h"

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
    const __m512i all = _mm512_inserti64x4(_mm512_castsi256_si512(_mm256_set_m128i(q[1], q[0])), _mm256_set_m128i(q[3], q[2]), 1);
    _mm512_storeu_si512(out, _mm512_permutexvar_epi8(to, all));
    std::memcpy(out + 16, &scale, 4);
    out[17] = -128 * _mm512_reduce_add_epi32(sum);
  }
}

// Dwords of 8 codes to two steps: the high nibbles are the even elements.
inline void store_steps(__m512i v, __m512i table, uint8_t* out, int64_t step) {
  const __m512i low = _mm512_set1_epi8(15);
  _mm512_storeu_si512(out, _mm512_shuffle_epi8(table, _mm512_and_si512(_mm512_srli_epi16(v, 4), low)));
  _mm512_storeu_si512(out + step, _mm512_shuffle_epi8(table, _mm512_and_si512(v, low)));
}

// 4 rows of 16 codes, 8 bytes each, to one step: look-ups in the 16-byte table of each row, then rows to bytes of a dword.
inline __m512i look_up_rows(__m256i codes, const uint8_t* tables) {
  alignas(64) static constexpr auto order = [] {
    struct { uint8_t at[64]; } o{};
    for (int c = 0; c < 16; ++c)
      for (int r = 0; r < 4; ++r) o.at[4 * c + r] = uint8_t(16 * r + c);
    return o;
  }();
  const __m512i words = _mm512_cvtepu8_epi16(codes);
  const __m512i index = _mm512_and_si512(_mm512_or_si512(_mm512_srli_epi16(words, 4), _mm512_slli_epi16(words, 8)), _mm512_set1_epi8(15));
  return _mm512_permutexvar_epi8(load_bytes(order.at), _mm512_shuffle_epi8(load_bytes(tables), index));
}

struct Vnni8 {
  static void forward(const Weights4& w, int64_t k0, int64_t col, int cols, const Group8& out) {
    alignas(16) uint8_t levels[16];
    forward_table(w, levels);
    const __m512i table = _mm512_broadcast_i32x4(_mm_load_si128((const __m128i*)levels));
    const int64_t step = int64_t(out.width) * 4, b = k0 / w.block;
    for (int c = 0; c < cols; c += 16) {
      uint8_t* o = out.bytes + 4 * c;
      vf scale{};
      if (w.tiled) {
        const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
        const __m512i odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));
        const uint8_t* p = w.codes + ((col + c) / 16 * (w.k / 16) + k0 / 16) * tile_bytes;
        for (int t = 0; t < 4; ++t, p += tile_bytes, o += 4 * step) {
          const __m512i low = load_bytes(p), high = load_bytes(p + 64);
          store_steps(_mm512_permutex2var_epi32(low, even, high), table, o, step);
          store_steps(_mm512_permutex2var_epi32(low, odd, high), table, o + 2 * step, step);
        }
        scale = tile_values(w, w.scale, col + c, b);
      } else {
        const int rows = cols - c < 16 ? cols - c : 16;
        vf r[16];
        for (int i = 0; i < 16; ++i)
          r[i] = i < rows ? (vf)_mm512_castsi256_si512(_mm256_loadu_si256((const __m256i*)(w.codes + ((col + c + i) * w.k + k0) / 2))) : vf{};
        transpose(r);
        for (int d = 0; d < 8; ++d) store_steps((__m512i)r[d], table, o + 2 * d * step, step);
        for (int i = 0; i < rows; ++i) scale[i] = scale_at(w, col + c + i, b);
      }
      store(out.scales + c, scale / w.level_scale);
    }
  }

  static void make(const Weights4& w, int64_t n, int64_t b, RowTables& tables) {
    alignas(64) float scales[int8_group];
    vf most{};
    const int64_t blocks = w.k / w.block;
    for (int r = 0; r < int8_group; r += 16) {
      vf s{};  // zeros after the last row
      if (w.tiled) {
        if (n + r < w.n) s = tile_values(w, w.scale, n + r, b);
      } else {
        for (int i = 0; i < 16 && n + r + i < w.n; ++i) s[i] = block_value(w.scale, (n + r + i) * blocks + b);
      }
      store(scales + r, s);
      most = max(most, abs(s));
    }
    const float bound = _mm512_reduce_max_ps((__m512)most) * w.level_max, inverse = bound > 0 ? 127.0f / bound : 0.0f;
    tables.block = b;
    tables.scale = bound / 127.0f;
    const vf levels = load(w.levels);
    for (int r = 0; r < int8_group; ++r) {
      const __m128i q = _mm512_cvtepi32_epi8((__m512i)(round_to_int(levels * (scales[r] * inverse)) + 128));
      _mm_store_si128((__m128i*)(tables.bytes + 16 * r), q);
    }
  }
  // The codes of 64 rows and up to 192 columns as [16 steps][column / 16][4 rows][8 bytes]: rows are far apart and share few sets
  // of the nearest cache, so each is read once for all panels.
  static void gather(const Weights4& w, int64_t n, const RowTables& tables, uint8_t* out) {
    const int64_t units = (tables.cols + 15) / 16, rows = std::min(int8_group, w.n - n);
    for (int64_t r = 0; r < rows; ++r) {
      const uint8_t* p = w.codes + ((n + r) * w.k + tables.col) / 2;
      uint8_t* o = out + r / 4 * units * 32 + r % 4 * 8;
      for (int64_t u = 0; u < units; ++u) std::memcpy(o + 32 * u, p + 8 * u, 8);
    }
  }

  static void backward(const Weights4& w, int64_t k0, int64_t col, int cols, RowTables& tables, const Group8& out) {
    alignas(64) static thread_local uint8_t gathered[int8_group * GemmPlan::max_columns / 2];
    const int64_t step = int64_t(out.width) * 4, units = (tables.cols + 15) / 16;
    const int steps = int(std::min<int64_t>(int8_group, w.n - k0) + 3) / 4;  // rows after the last one have tables of zeros
    if (!w.tiled && col == tables.col) gather(w, k0, tables, gathered);
    for (int c = 0; c < cols; c += 16) {
      if ((col + c) / w.block != tables.block) make(w, k0, (col + c) / w.block, tables);
      store(out.scales + c, splat(tables.scale));
      const uint8_t* tile = w.codes + (k0 / 16 * (w.k / 16) + (col + c) / 16) * tile_bytes;
      const uint8_t* rows = gathered + (col + c - tables.col) * 2;
      uint8_t* o = out.bytes + 4 * c;
      for (int s = 0; s < 16; ++s, o += step, rows += units * 32) {
        const uint8_t* p = w.tiled ? tile + s / 4 * (w.k / 16) * tile_bytes + s % 4 * 32 : rows;
        const __m256i codes = s < steps ? _mm256_loadu_si256((const __m256i*)p) : _mm256_setzero_si256();
        _mm512_storeu_si512(o, look_up_rows(codes, tables.bytes + 64 * s));
      }
    }
  }

  // M × V registers of integers; the sums in f32 stay in the nearest cache.
  template <int M, int V>
  struct Tile {
    static void run(int64_t groups, const int32_t* x, int64_t stride, const uint8_t* bytes, const float* scales, int columns,
                    const Sums& out) {
      alignas(64) float total[M][V * W];
#pragma GCC unroll 8
      for (int m = 0; m < M; ++m)
        for (int v = 0; v < V; ++v) store(total[m] + v * W, out.before ? load(out.before + m * out.stride + v * W) : vf{});
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
            for (int v = 0; v < V; ++v) asm("vpdpbusd %2, %1, %0" : "+v"(c[m][v]) : "v"(w[v]), "v"(a));  // gcc 12 spills around the intrinsic
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
