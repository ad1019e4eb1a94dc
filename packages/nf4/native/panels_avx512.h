// panels_avx512.h: the panels of products_kernels.h where 16 codes decode in two instructions: vpermps looks 16 values
// up in one register. They need codes that begin on whole bytes and blocks that hold whole groups of 16; see fast_rows.
#pragma once
#include "products_kernels.h"

namespace qlora::QLORA_SIMD {

// The same, kept in a register: gcc would load it anew for every shift, and loads are what is scarce.
inline __m512i load_codes(const uint8_t* p) {
  __m512i v = load_bytes(p);
  asm("" : "+v"(v));
  return v;
}

// One vector per nibble of 16 dwords, first codes first: out[i·width] = table[code i of each lane] · scale (+ shift), i
// < 8.
template <bool SHIFTED>
inline void store_nibbles(__m512i v, __m512 table, __m512 scale, __m512 shift, float* out, int64_t width) {
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) {
    // A byte's first code is its high nibble; vpermps ignores the bits above the index.
    const __m512 t = _mm512_mul_ps(_mm512_permutexvar_ps(_mm512_srli_epi32(v, 4 * (i ^ 1)), table), scale);
    _mm512_storeu_ps(out + i * width, SHIFTED ? _mm512_add_ps(t, shift) : t);
  }
}

// b[k, c] = w[c, k] from tiles: one line holds 8 codes of 16 rows.
template <bool SHIFTED>
void fill_transposed_tiles(const Weights4& w, int64_t k0, int64_t kc, int64_t col, int cols, float* out) {
  const __m512 table = _mm512_loadu_ps(w.levels);
  for (int c = 0; c < cols; c += 16) {
    const uint8_t* p = tile_at(w, col + c, k0);
    float* o = out + c;
    for (int64_t k = k0; k < k0 + kc;) {
      const int64_t b = k / w.block, rest = (b + 1) * w.block, end = rest < k0 + kc ? rest : k0 + kc;
      const __m512 scale = (__m512)tile_values(w, w.scale, col + c, b);
      const __m512 shift = SHIFTED ? (__m512)tile_values(w, w.shift, col + c, b) : scale;
      for (; k < end; k += 8, p += tile_bytes, o += 8 * cols)
        store_nibbles<SHIFTED>(load_codes(p), table, scale, shift, o, cols);
    }
  }
}

// b[k, c] = w[k, c] from tiles, NV units of 16 columns; SAME: all in one block of their row.
template <int NV, bool SAME>
void fill_natural_tiles(const Weights4& w, int64_t k0, int64_t kc, int64_t col, float* out) {
  const __m512 levels = _mm512_loadu_ps(w.levels);
  const bool shifted = w.shift.absmax != nullptr;
  constexpr int N = SAME ? 1 : NV;
  alignas(64) float scale[N][16], shift[N][16];
  for (int64_t i = k0; i < k0 + kc; i += 16) {
    const uint8_t* p = tile_at(w, i, col);
#pragma GCC unroll 3
    for (int u = 0; u < N; ++u) {
      store(scale[u], tile_values(w, w.scale, i, (col + 16 * u) / w.block));
      if (shifted) store(shift[u], tile_values(w, w.shift, i, (col + 16 * u) / w.block));
    }
#pragma GCC unroll 2
    for (int r = 0; r < 16; ++r, p += 4, out += 16 * NV) {
      __m512 table[N];
#pragma GCC unroll 3
      for (int u = 0; u < N; ++u) {
        table[u] = _mm512_mul_ps(levels, _mm512_set1_ps(scale[u][r]));
        if (shifted) table[u] = _mm512_add_ps(table[u], _mm512_set1_ps(shift[u][r]));
      }
#pragma GCC unroll 3
      for (int u = 0; u < NV; ++u) {
        const __m512i index = (__m512i)unpack_tiled(p + 2 * u * tile_bytes);
        _mm512_storeu_ps(out + 16 * u, _mm512_permutexvar_ps(index, table[SAME ? 0 : u]));
      }
    }
  }
}

// b[k, c] = w[k, c] from rows, NV units of 16 columns; SAME: all in one block of their row, which begins a row.
template <int NV, bool SAME>
void fill_natural_rows(const Weights4& w, int64_t k0, int64_t kc, int64_t col, float* out) {
  const __m512 levels = _mm512_loadu_ps(w.levels);
  const bool shifted = w.shift.absmax != nullptr;
  constexpr int N = SAME ? 1 : NV;
  const int log2 = __builtin_ctzll(uint64_t(w.block));
  const uint8_t* p = w.codes + (k0 * w.k + col) / 2;
  for (int64_t i = k0 * w.k + col, end = i + kc * w.k; i < end; i += w.k, p += w.k / 2, out += 16 * NV) {
    __m512 table[N];
#pragma GCC unroll 3
    for (int u = 0; u < N; ++u) {
      const int64_t b = (i + 16 * u) >> log2;
      table[u] = _mm512_mul_ps(levels, _mm512_set1_ps(block_value(w.scale, b)));
      if (shifted) table[u] = _mm512_add_ps(table[u], _mm512_set1_ps(block_value(w.shift, b)));
    }
#pragma GCC unroll 3
    for (int u = 0; u < NV; ++u)
      _mm512_storeu_ps(out + 16 * u, _mm512_permutexvar_ps((__m512i)unpack(p + 8 * u), table[SAME ? 0 : u]));
  }
}

// b[k, c] = w[c, k] from rows: dwords of 8 codes of 16 rows, transposed, then like tiles.
template <bool SHIFTED>
void fill_transposed_rows(const Weights4& w, int64_t k0, int64_t kc, int64_t col, int cols, float* out) {
  const __m512 table = _mm512_loadu_ps(w.levels);
  const int width = (cols + 15) / 16 * 16;
  const int64_t blocks = w.k / w.block;
  for (int c = 0; c < cols; c += 16) {
    const int rows = cols - c < 16 ? cols - c : 16;
    for (int64_t k = k0; k < k0 + kc; k += 128) {
      const int dwords = int(k0 + kc - k < 128 ? (k0 + kc - k) / 8 : 16);
      const __mmask16 part = __mmask16((1u << dwords) - 1);
      const uint8_t* p = w.codes + ((col + c) * w.k + k) / 2;
      vf r[16];
#pragma GCC unroll 16
      for (int i = 0; i < 16; ++i)
        r[i] = i < rows ? (vf)_mm512_maskz_loadu_epi32(part, p + i * (w.k / 2)) : vf{};
      transpose(r);
      int64_t block = -1;
      __m512 scale{}, shift{};
      for (int d = 0; d < dwords; ++d) {
        if ((k + 8 * d) / w.block != block) {
          block = (k + 8 * d) / w.block;
          vf s{}, t{};
          for (int i = 0; i < rows; ++i) {
            s[i] = block_value(w.scale, (col + c + i) * blocks + block);
            if (SHIFTED) t[i] = block_value(w.shift, (col + c + i) * blocks + block);
          }
          scale = (__m512)s;
          shift = (__m512)t;
        }
        store_nibbles<SHIFTED>((__m512i)r[d], table, scale, shift, out + (k - k0 + 8 * d) * width + c, width);
      }
    }
  }
}

struct NaturalRows512 : NaturalCodes {
  void fill(int64_t k0, int64_t kc, int64_t col, int cols, float* out) const {
    if (w.k % 16 || w.block % 16) return NaturalCodes::fill(k0, kc, col, cols, out);
    const bool same = w.k % w.block == 0 && col / w.block == (col + cols - 1) / w.block;
    if (cols == 48) (same ? fill_natural_rows<3, true> : fill_natural_rows<3, false>)(w, k0, kc, col, out);
    else if (cols == 32) (same ? fill_natural_rows<2, true> : fill_natural_rows<2, false>)(w, k0, kc, col, out);
    else fill_natural_rows<1, true>(w, k0, kc, col, out);
  }
};

struct TransposedRows512 : TransposedCodes {
  void fill(int64_t k0, int64_t kc, int64_t col, int cols, float* out) const {
    if (w.k % w.block || w.block % 8) return TransposedCodes::fill(k0, kc, col, cols, out);
    (w.shift.absmax ? fill_transposed_rows<true> : fill_transposed_rows<false>)(w, k0, kc, col, cols, out);
  }
};

struct NaturalTiles512 : NaturalTiles {
  void fill(int64_t k0, int64_t kc, int64_t col, int cols, float* out) const {
    const bool same = col / w.block == (col + cols - 1) / w.block;
    if (cols == 48) (same ? fill_natural_tiles<3, true> : fill_natural_tiles<3, false>)(w, k0, kc, col, out);
    else if (cols == 32) (same ? fill_natural_tiles<2, true> : fill_natural_tiles<2, false>)(w, k0, kc, col, out);
    else fill_natural_tiles<1, true>(w, k0, kc, col, out);
  }
};

struct TransposedTiles512 : TransposedTiles {
  void fill(int64_t k0, int64_t kc, int64_t col, int cols, float* out) const {
    (w.shift.absmax ? fill_transposed_tiles<true> : fill_transposed_tiles<false>)(w, k0, kc, col, cols, out);
  }
};

}  // namespace qlora::QLORA_SIMD
