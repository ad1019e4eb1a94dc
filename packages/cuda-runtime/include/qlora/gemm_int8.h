// gemm_int8.h: products of gemm.h with both operands in 8 bits, compiled once per instruction set.
//
// Of every row of a and group of 64 along the reduction: a ≈ as·aq, as = max|a|/127, aq = round(a/as); of every group of b and column:
// b ≈ bs·bq. y = Σ groups (Σ aq·bq)·as·bs, the inner sum exact in 32-bit integers, the outer one in f32, in order. Bytes of b are bq + 128,
// since the instructions multiply unsigned by signed; -128·Σ aq takes that back. Rounding is to nearest even; the integers are the same
// in every instruction set.
#pragma once
#include "gemm.h"
#include "int8.h"

namespace qlora::QLORA_SIMD {

// A group of b: [16 steps][width][4 bytes], 4 elements of the reduction as bq + 128, and bs [width]. Columns after the last
// one and elements after the end are 128.
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

// A group in f32, [64][width], column by column: bq = round(b·127/t), t = max|b|, bs = t/127.
inline void round_group(const float* b, const Group8& out) {
  for (int c = 0; c < out.width; c += W) {
    vi bits{};  // of the largest |b|, so that a NaN wins
    for (int i = 0; i < int8_group; ++i) {
      const vi magnitude = (vi)abs(load(b + i * out.width + c));
      bits = magnitude > bits ? magnitude : bits;
    }
    const vf most = (vf)bits, inverse = most > 0 ? 127.0f / most : vf{};
    store(out.scales + c, most / 127.0f);
    for (int s = 0; s < 16; ++s) {
      vu dword{};
      for (int j = 0; j < 4; ++j)
        dword |= (vu)(round_to_int(load(b + (4 * s + j) * out.width + c) * inverse) + 128) << (8 * j);
      std::memcpy(out.bytes + (s * out.width + c) * 4, &dword, sizeof dword);
    }
  }
}

inline void quantize_row(const float* x, int64_t depth, bool interleaved, int32_t* out) {
  for (; depth > 0; depth -= int8_group, x += int8_group, out += int8_dwords) {
    float v[int8_group]{};
    std::memcpy(v, x, size_t(std::min(depth, int8_group)) * 4);
    uint32_t most = 0;  // of the bits of |x|, so that a NaN wins
    for (int i = 0; i < int8_group; ++i) {
      uint32_t bits;
      std::memcpy(&bits, v + i, 4);
      most = std::max(most, bits & 0x7fffffffu);
    }
    float largest;
    std::memcpy(&largest, &most, 4);
    const float inverse = largest > 0 ? 127.0f / largest : 0.0f, scale = largest / 127.0f;
    int32_t sum = 0;
    for (int s = 0; s < 16; ++s) {
      uint32_t dword = 0;
      for (int j = 0; j < 4; ++j) {
        const int q = round_to_int(v[element(interleaved, s, j)] * inverse);
        sum += int8_t(q);
        dword |= uint32_t(q & 255) << (8 * j);
      }
      out[s] = int32_t(dword);
    }
    std::memcpy(out + 16, &scale, 4);
    out[17] = -128 * sum;
  }
}

// Rows of x, `stride` dwords apart, times groups of panels one after the other.
template <int M, int V>
struct Tile8 {
  static void run(int64_t groups, const int32_t* x, int64_t stride, const uint8_t* bytes, const float* scales,
                  int columns, const Sums& out) {
    for (int m = 0; m < M; ++m)
      for (int v = 0; v < V; ++v) {
        vf total = out.before ? load(out.before + m * out.stride + v * W) : vf{};
        for (int64_t g = 0; g < groups; ++g) {
          const int32_t* a = x + m * stride + g * int8_dwords;
          vi sum = vi{} + a[17];
          for (int s = 0; s < 16; ++s) {
            vu w;
            std::memcpy(&w, bytes + ((g * 16 + s) * V + v) * W * 4, sizeof w);
            for (int j = 0; j < 4; ++j) sum += (vi)((w >> (8 * j)) & 255u) * int32_t(int8_t(a[s] >> (8 * j)));
          }
          float xs;
          std::memcpy(&xs, a + 16, 4);
          total = fma(__builtin_convertvector(sum, vf) * xs, load(scales + (g * V + v) * W), total);
        }
        put(out, m, v, columns, total);
      }
  }
};

struct Tile8Table {
  void (*at[MR + 1][NV + 1])(int64_t, const int32_t*, int64_t, const uint8_t*, const float*, int, const Sums&){};
};
template <template <int, int> class T, int M = 1, int V = 1>
constexpr void fill(Tile8Table& table) {
  table.at[M][V] = T<M, V>::run;
  if constexpr (V < NV) fill<T, M, V + 1>(table);
  else if constexpr (M < MR) fill<T, M + 1, 1>(table);
}
template <template <int, int> class T>
inline constexpr Tile8Table tiles8 = [] {
  Tile8Table table;
  fill<T>(table);
  return table;
}();

// One block of y (+)= alpha · a·b; x is a in 8 bits, A::dwords a group. A source of weights has
//   void fill(int64_t k, int64_t col, int cols, const Group8&)   the group of b from k on, columns col … col + cols ≤ NR, k in order
//   Ahead ahead(int64_t k, int64_t n, int64_t col, int64_t cols) const   as the panels of gemm.h
template <class A, class Source>
void gemm_block8(const GemmPlan& plan, const Block& block, const int32_t* x, Source&& source, const Target& y, float* scratch) {
  const int64_t groups = (plan.depth + int8_group - 1) / int8_group, chunk = plan.chunk / int8_group;
  uint8_t* const bytes = (uint8_t*)scratch;                            // [panel][group][16][width][4]
  float* const scales = scratch + plan.max_cols * plan.chunk / 4;      // [panel][group][width]
  float* const sums = scratch + plan.max_cols * plan.chunk;
  const int64_t width = (block.cols + W - 1) / W * W, stride = groups * A::dwords;
  const RowTiles row{block.rows};
  if (block.rows == 0 || block.cols == 0) return;
  for (int64_t g0 = 0; g0 < groups; g0 += chunk) {
    const int64_t n = std::min(chunk, groups - g0);
    for (int64_t g = 0; g < n; ++g)
      for (int64_t c = 0; c < block.cols; c += NR) {
        const int cols = int(std::min<int64_t>(NR, block.cols - c)), w = (cols + W - 1) / W * W;
        const Group8 out{bytes + (c * n + g * w) * int8_group, scales + c * n + g * w, w};
        source.fill((g0 + g) * int8_group, block.col + c, cols, out);
      }
    const bool last = g0 + n == groups;
    Ahead ahead = ahead_of(source, plan, block, (g0 + n) * int8_group);
    const int64_t share = GemmPlan::ceil(ahead.lines(), row.count * GemmPlan::ceil(block.cols, NR));
    for (int64_t i = 0; i < row.count; ++i) {
      const int64_t r = row.begin(i), y_row = block.row + r;
      const int m = int(row.begin(i + 1) - r);
      for (int64_t c = 0; c < block.cols; c += NR) {
        ahead.fetch(share);
        const int columns = int(std::min<int64_t>(NR, block.cols - c));
        float* const s = sums + r * width + c;
        float* const to = y.data + y_row * y.stride + block.col + c;
        const Sums out{g0 ? s : nullptr, last ? nullptr : s, width, to, y.stride, y.alpha, y.accumulate};
        const int32_t* const left = x + y_row * stride + g0 * A::dwords;
        const auto tile = A::tiles().at[m][(columns + W - 1) / W];
        tile(n, left, stride, bytes + c * n * int8_group, scales + c * n, columns, out);
      }
    }
  }
}

// Weights that a panel of gemm.h gives in f32.
template <class A, class Panel>
struct Rounded {
  const Panel& panel;
  int64_t depth;
  void fill(int64_t k, int64_t col, int cols, const Group8& out) const {
    alignas(64) float b[int8_group * NR];
    const int64_t n = std::min(int8_group, depth - k);
    panel.fill(k, n, col, cols, b);
    std::memset(b + n * out.width, 0, size_t((int8_group - n) * out.width) * 4);
    A::round(b, out);
  }
  Ahead ahead(int64_t k, int64_t n, int64_t col, int64_t cols) const { return panel.ahead(k, n, col, cols); }
};

// The arithmetic of an instruction set: dwords a group, tiles, and how a row of the left operand and a group of the right one are brought
// to 8 bits.
struct Portable8 {
  static constexpr int64_t dwords = int8_dwords;
  static constexpr auto quantize = quantize_row;
  static constexpr auto round = round_group;
  static const Tile8Table& tiles() { return tiles8<Tile8>; }
};

}  // namespace qlora::QLORA_SIMD
