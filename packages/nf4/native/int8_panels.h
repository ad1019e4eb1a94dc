// int8_panels.h: a group of 64 weights along the reduction, and some columns, in 8 bits. The integers are the same in
// every instruction set; rounding is to nearest even.
//
//   forward   one scale holds down the group: w ≈ ws·wq, wq = round(S·level), ws = scale/S; S rounds the levels best
//   backward  the scale varies down the group: v = round(level·scale·32767/t), t = max|scale|·max|level|, in 16 bits
//             first; wq = (v·f + 2^14) >> 15, f the largest factor for which |wq| ≤ 127; ws = t/32767·2^15/f
//   general   blocks that lie across groups, shifts: decoded and rounded (gemm_int8.h)
#pragma once
#include <algorithm>
#include <cstdlib>

#include "products_kernels.h"
#include "qlora/gemm_int8.h"

namespace qlora::QLORA_SIMD {

inline int code_at(const Weights4& w, int64_t n, int64_t k) {
  const int64_t i = n * w.k + k;
  const uint8_t byte = w.tiled ? *tile_at(w, n, k) : w.codes[i / 2];
  return i & 1 ? byte & 15 : byte >> 4;
}
inline float scale_at(const Weights4& w, int64_t n, int64_t b) {
  return w.tiled ? tile_value(w, w.scale, n, b) : block_value(w.scale, n * (w.k / w.block) + b);
}

// The 16 levels in 8 bits.
inline void forward_table(const Weights4& w, uint8_t* table) {
  for (int i = 0; i < 16; ++i) table[i] = uint8_t(round_to_int(w.levels[i] * w.level_scale) + 128);
}
inline void fill_forward(const Weights4& w, int64_t k0, int64_t col, int cols, const Group8& out) {
  uint8_t table[16];
  forward_table(w, table);
  std::memset(out.bytes, 128, size_t(64 * out.width));
  std::memset(out.scales, 0, size_t(out.width) * 4);
  for (int c = 0; c < cols; ++c) {
    out.scales[c] = scale_at(w, col + c, k0 / w.block) / w.level_scale;
    for (int s = 0; s < 16; ++s)
      for (int j = 0; j < 4; ++j)
        out.bytes[(s * out.width + c) * 4 + j] = table[code_at(w, col + c, k0 + element(true, s, j))];
  }
}

// Levels times scales of 64 rows of w in 16 bits, for the columns of one block: low and high bytes, 16 of each a row.
struct RowTables {
  int64_t col, cols;  // of the block of the product
  int64_t block = -1;
  float scale;
  alignas(64) uint8_t low[16 * int8_group], high[16 * int8_group];
};
inline void make_tables(const Weights4& w, int64_t n, int64_t b, RowTables& tables) {
  float scales[int8_group]{}, most = 0;  // zeros after the last row
  for (int i = 0; i < int8_group && n + i < w.n; ++i) {
    scales[i] = scale_at(w, n + i, b);
    most = std::max(most, std::fabs(scales[i]));
  }
  const float bound = most * w.level_max, inverse = bound > 0 ? 32767.0f / bound : 0.0f;
  tables.block = b;
  tables.scale = bound / 32767.0f;
  for (int r = 0; r < int8_group; ++r)
    for (int i = 0; i < 16; ++i) {
      const int v = round_to_int(w.levels[i] * (scales[r] * inverse));
      tables.low[16 * r + i] = uint8_t(v);
      tables.high[16 * r + i] = uint8_t(v >> 8);
    }
}

// The codes of 64 rows and the columns of a block as [16 steps][column / 16][4 rows][8 bytes]: rows are far apart and
// share few sets of the nearest cache, so each is read once for all panels.
inline void gather_codes(const Weights4& w, int64_t n, const RowTables& tables, uint8_t* out) {
  const int64_t units = (tables.cols + 15) / 16, rows = std::min(int8_group, w.n - n);
  for (int64_t r = 0; r < rows; ++r) {
    const uint8_t* p = w.codes + ((n + r) * w.k + tables.col) / 2;
    uint8_t* o = out + r / 4 * units * 32 + r % 4 * 8;
    for (int64_t u = 0; u < units; ++u) std::memcpy(o + 32 * u, p + 8 * u, 8);
  }
}

// The largest 16-bit factor, in units of 2^-15, that takes numbers up to `most` to at most 127 when rounded.
inline constexpr int factor_numerator = 127 * 32768 + 16383;
inline int factor_to_int8(int most) { return std::min(factor_numerator / std::max(most, 1), 32767); }

inline void fill_backward(const Weights4& w, int64_t k0, int64_t col, int cols, RowTables& tables, const Group8& out) {
  const int rows = int(std::min(int8_group, w.n - k0));
  std::memset(out.bytes, 128, size_t(64 * out.width));
  std::memset(out.scales, 0, size_t(out.width) * 4);
  for (int c = 0; c < cols; ++c) {
    if ((col + c) / w.block != tables.block) make_tables(w, k0, (col + c) / w.block, tables);
    int values[int8_group]{}, most = 0;
    for (int i = 0; i < rows; ++i) {
      const int at = 16 * i + code_at(w, k0 + i, col + c);
      values[i] = int16_t(tables.low[at] | tables.high[at] << 8);
      most = std::max(most, std::abs(values[i]));
    }
    const int factor = factor_to_int8(most);
    out.scales[c] = tables.scale * (32768.0f / float(factor));
    for (int i = 0; i < rows; ++i)
      out.bytes[(i / 4 * out.width + c) * 4 + i % 4] = uint8_t(((values[i] * factor + 16384) >> 15) + 128);
  }
}

// How an instruction set makes both kinds of groups.
struct PortableGroups {
  static constexpr auto forward = fill_forward;
  static constexpr auto backward = fill_backward;
};

}  // namespace qlora::QLORA_SIMD
