// int8_panels.h: a group of 64 weights along the reduction, and some columns, in 8 bits. The integers are the same in
// every instruction set; rounding is to nearest even.
//
//   forward   one scale holds down the group: w ≈ ws·wq, wq = round(S·level), ws = scale/S; S rounds the levels best
//   backward  the scale varies down the group: v = round(level·scale·32767/t), t = max|scale|·max|level|, in 16 bits
//             first; wq = (v·f + 2^14) >> 15, f the largest factor for which |wq| ≤ 127; ws = t/32767·2^15/f
//   general   blocks that lie across groups, shifts: wq = round(w·127/t), t = max|w|, ws = t/127
#pragma once
#include <algorithm>
#include <cstdlib>

#include "products_kernels.h"

namespace qlora::QLORA_SIMD {

// [16 steps][width][4 bytes]: the weights of 4 elements of the reduction as wq + 128, and ws [width]. Columns after the
// last one and elements after the end are 128.
struct Group8 {
  uint8_t* bytes;
  float* scales;
  int width;
};

// The element of a group in byte `byte` of dword `step`; interleaved: as 8 codes lie in a dword, high nibbles then low
// ones.
inline int element(bool interleaved, int step, int byte) {
  return interleaved ? step / 2 * 8 + byte * 2 + step % 2 : step * 4 + byte;
}

// Adding 1.5·2^23 rounds to an integer and leaves it in the low bits.
inline vi round_to_int(vf v) { return (vi)(v + 12582912.0f) - 0x4b400000; }
inline int round_to_int(float v) {
  v += 12582912.0f;
  int32_t bits;
  std::memcpy(&bits, &v, 4);
  return bits - 0x4b400000;
}

// The panel in f32, then rounded column by column.
template <class Panel>
void fill_general(const Panel& panel, int64_t k0, int n, int64_t col, int cols, const Group8& out) {
  alignas(64) float w[int8_group * NR];
  panel.fill(k0, n, col, cols, w);
  std::memset(w + n * out.width, 0, size_t((int8_group - n) * out.width) * 4);
  for (int c = 0; c < out.width; c += W) {
    vf most{};
    for (int i = 0; i < int8_group; ++i) most = max(most, abs(load(w + i * out.width + c)));
    const vf inverse = most > 0 ? 127.0f / most : vf{};
    store(out.scales + c, most / 127.0f);
    for (int s = 0; s < 16; ++s) {
      vu dword{};
      for (int j = 0; j < 4; ++j)
        dword |= (vu)(round_to_int(load(w + (4 * s + j) * out.width + c) * inverse) + 128) << (8 * j);
      std::memcpy(out.bytes + (s * out.width + c) * 4, &dword, sizeof dword);
    }
  }
}

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

}  // namespace qlora::QLORA_SIMD
