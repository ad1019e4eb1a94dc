// panels_avx2.h: the panels of products_kernels.h where vpshufb looks up the four bytes of 32 levels, which are then
// interleaved to floats. They need codes that begin on whole bytes and blocks that hold whole groups of codes.
#pragma once
#include <algorithm>

#include "products_kernels.h"

namespace qlora::QLORA_SIMD {


// Bytes 4i + j of each 128-bit lane to 4j + i: the same byte of four dwords side by side.
inline __m256i group_bytes(__m256i v) {
  const __m128i order = _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  return _mm256_shuffle_epi8(v, _mm256_broadcastsi128_si256(order));
}

// Byte i of 16 dwords in lane i: a and b hold 8 dwords each.
inline void byte_planes(__m256i a, __m256i b, __m256i& planes01, __m256i& planes23) {
  a = group_bytes(a), b = group_bytes(b);
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  planes01 = _mm256_permutevar8x32_epi32(_mm256_unpacklo_epi32(a, b), order);
  planes23 = _mm256_permutevar8x32_epi32(_mm256_unpackhi_epi32(a, b), order);
}

inline __m256i high_nibbles(__m256i v) { return _mm256_and_si256(_mm256_srli_epi16(v, 4), _mm256_set1_epi8(15)); }
inline __m256i low_nibbles(__m256i v) { return _mm256_and_si256(v, _mm256_set1_epi8(15)); }

// The four bytes of 16 floats, each in both lanes.
struct Planes {
  __m256i byte[4];
  explicit Planes(const float* levels) {
    __m256i p01, p23;
    byte_planes((__m256i)load(levels), (__m256i)load(levels + 8), p01, p23);
    byte[0] = _mm256_permute4x64_epi64(p01, 0x44), byte[1] = _mm256_permute4x64_epi64(p01, 0xee);
    byte[2] = _mm256_permute4x64_epi64(p23, 0x44), byte[3] = _mm256_permute4x64_epi64(p23, 0xee);
  }
  // The levels of the codes in bytes 4i … 4i + 3 of both lanes, i < 4.
  void look_up(__m256i codes, vf (&out)[4]) const {
    __m256i b[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) b[i] = _mm256_shuffle_epi8(byte[i], codes);
    const __m256i x = _mm256_unpacklo_epi8(b[0], b[1]), y = _mm256_unpacklo_epi8(b[2], b[3]);
    const __m256i z = _mm256_unpackhi_epi8(b[0], b[1]), w = _mm256_unpackhi_epi8(b[2], b[3]);
    out[0] = (vf)_mm256_unpacklo_epi16(x, y), out[1] = (vf)_mm256_unpackhi_epi16(x, y);
    out[2] = (vf)_mm256_unpacklo_epi16(z, w), out[3] = (vf)_mm256_unpackhi_epi16(z, w);
  }
};

template <bool SHIFTED>
inline void store_scaled(float* out, vf level, vf scale, vf shift) {
  store(out, SHIFTED ? level * scale + shift : level * scale);
}

// 8 dwords of 8 codes: out[i·width] = table[code i of each lane] · scale (+ shift), i < 8.
template <bool SHIFTED>
inline void store_nibbles(__m256i v, const Planes& planes, vf scale, vf shift, float* out, int64_t width) {
  const __m256i bytes = group_bytes(v);
#pragma GCC unroll 2
  for (int odd = 0; odd < 2; ++odd) {
    vf level[4];
    planes.look_up(odd ? low_nibbles(bytes) : high_nibbles(bytes), level);
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) store_scaled<SHIFTED>(out + (2 * i + odd) * width, level[i], scale, shift);
  }
}

// b[k, c] = w[c, k] from tiles.
template <bool SHIFTED>
void fill_transposed_tiles(const Weights4& w, int64_t k0, int64_t kc, int64_t col, int cols, float* out) {
  const Planes planes(w.levels);
  for (int c = 0; c < cols; c += W) {
    const uint8_t* p = tile_at(w, col + c, k0);
    float* o = out + c;
    for (int64_t k = k0; k < k0 + kc;) {
      const int64_t b = k / w.block, end = std::min((b + 1) * w.block, k0 + kc);
      const vf scale = tile_values(w, w.scale, col + c, b);
      const vf shift = SHIFTED ? tile_values(w, w.shift, col + c, b) : vf{};
      for (; k < end; k += 8, p += tile_bytes, o += 8 * cols)
        store_nibbles<SHIFTED>(load_bytes(p), planes, scale, shift, o, cols);
    }
  }
}

// b[k, c] = w[c, k] from rows: dwords of 8 codes of 8 rows, transposed, then like tiles.
template <bool SHIFTED>
void fill_transposed_rows(const Weights4& w, int64_t k0, int64_t kc, int64_t col, int cols, float* out) {
  const Planes planes(w.levels);
  const int width = (cols + W - 1) / W * W;
  const int64_t blocks = w.k / w.block;
  for (int c = 0; c < cols; c += W) {
    const int rows = cols - c < W ? cols - c : W;
    int64_t block = -1;
    vf scale{}, shift{};  // zeros after the last row
    for (int64_t k = k0; k < k0 + kc; k += 64) {
      const int dwords = int(k0 + kc - k < 64 ? (k0 + kc - k) / 8 : 8);
      const uint8_t* p = w.codes + ((col + c) * w.k + k) / 2;
      vf r[W];
#pragma GCC unroll 8
      for (int i = 0; i < W; ++i) {
        const uint8_t* row = p + i * (w.k / 2);
        if (i >= rows) r[i] = vf{};
        else r[i] = dwords == 8 ? (vf)load_bytes(row) : load_part((const float*)row, dwords);
      }
      transpose(r);
      for (int d = 0; d < dwords; ++d) {
        if ((k + 8 * d) / w.block != block) {
          block = (k + 8 * d) / w.block;
          for (int i = 0; i < rows; ++i) {
            scale[i] = block_value(w.scale, (col + c + i) * blocks + block);
            if (SHIFTED) shift[i] = block_value(w.shift, (col + c + i) * blocks + block);
          }
        }
        store_nibbles<SHIFTED>((__m256i)r[d], planes, scale, shift, out + (k - k0 + 8 * d) * width + c, width);
      }
    }
  }
}

// Two rows of 16 columns, their codes as two times 8 bytes: which bytes hold codes 0-3 and 4-7 of each 8 columns.
inline void look_up_rows(const uint8_t* first, const uint8_t* second, __m256i order, const Planes& planes,
                         vf (&level)[4]) {
  int64_t a, b;
  std::memcpy(&a, first, 8);
  std::memcpy(&b, second, 8);
  const __m256i both = _mm256_blend_epi32(_mm256_set1_epi64x(a), _mm256_set1_epi64x(b), 0xcc);
  const __m256i twice = _mm256_shuffle_epi8(both, order);
  const __m256i even = _mm256_and_si256(_mm256_srli_epi16(twice, 4), _mm256_set1_epi16(0x000f));
  planes.look_up(_mm256_or_si256(even, _mm256_and_si256(twice, _mm256_set1_epi16(0x0f00))), level);
}

// b[k, c] = w[k, c] of 16 columns, from tiles (two rows in one tile, then in the next) or rows (one row, then another).
template <bool TILED, bool SHIFTED>
void fill_natural(const Weights4& w, int64_t k0, int64_t kc, int64_t col, float* out) {
  const Planes planes(w.levels);
  const __m256i order = TILED ? _mm256_setr_epi8(0, 0, 1, 1, 8, 8, 9, 9, 4, 4, 5, 5, 12, 12, 13, 13,  //
                                                 2, 2, 3, 3, 10, 10, 11, 11, 6, 6, 7, 7, 14, 14, 15, 15)
                              : _mm256_setr_epi8(0, 0, 1, 1, 4, 4, 5, 5, 8, 8, 9, 9, 12, 12, 13, 13,  //
                                                 2, 2, 3, 3, 6, 6, 7, 7, 10, 10, 11, 11, 14, 14, 15, 15);
  const int log2 = __builtin_ctzll(uint64_t(w.block));
  const auto value = [&](const BlockValues& v, int64_t row) {
    return splat(TILED ? tile_value(w, v, row, col >> log2) : block_value(v, (row * w.k + col) >> log2));
  };
  for (int64_t i = k0; i < k0 + kc; i += 2, out += 4 * W) {
    const bool two = i + 1 < k0 + kc;
    const uint8_t* p = TILED ? tile_at(w, i, col) : w.codes + (i * w.k + col) / 2;
    vf level[4];
    look_up_rows(p, TILED ? p + tile_bytes : two ? p + w.k / 2 : p, order, planes, level);
    for (int64_t r = 0; r < 1 + two; ++r) {
      const vf scale = value(w.scale, i + r), shift = SHIFTED ? value(w.shift, i + r) : vf{};
      store_scaled<SHIFTED>(out + 2 * r * W, level[2 * r], scale, shift);
      store_scaled<SHIFTED>(out + (2 * r + 1) * W, level[2 * r + 1], scale, shift);
    }
  }
}

struct NaturalRows2 : NaturalCodes {
  void fill(int64_t k0, int64_t kc, int64_t col, int cols, float* out) const {
    if (w.k % 16 || w.block % 16) return NaturalCodes::fill(k0, kc, col, cols, out);
    (w.shift.absmax ? fill_natural<false, true> : fill_natural<false, false>)(w, k0, kc, col, out);
  }
};

struct TransposedRows2 : TransposedCodes {
  void fill(int64_t k0, int64_t kc, int64_t col, int cols, float* out) const {
    if (w.k % w.block || w.block % 8) return TransposedCodes::fill(k0, kc, col, cols, out);
    (w.shift.absmax ? fill_transposed_rows<true> : fill_transposed_rows<false>)(w, k0, kc, col, cols, out);
  }
};

struct NaturalTiles2 : NaturalTiles {
  void fill(int64_t k0, int64_t kc, int64_t col, int, float* out) const {
    (w.shift.absmax ? fill_natural<true, true> : fill_natural<true, false>)(w, k0, kc, col, out);
  }
};

struct TransposedTiles2 : TransposedTiles {
  void fill(int64_t k0, int64_t kc, int64_t col, int cols, float* out) const {
    (w.shift.absmax ? fill_transposed_tiles<true> : fill_transposed_tiles<false>)(w, k0, kc, col, cols, out);
  }
};

struct Panels2 : Panels {
  using Natural = NaturalRows2;
  using Transposed = TransposedRows2;
  using TiledNatural = NaturalTiles2;
  using TiledTransposed = TransposedTiles2;
};

}  // namespace qlora::QLORA_SIMD
