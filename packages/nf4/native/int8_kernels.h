// int8_kernels.h: products with activations in 8 bits, compiled once per instruction set.
//
// Of every row of x and group of 64 along the reduction: x ≈ xs·xq, xs = max|x|/127, xq = round(x/xs); of every group
// of weights and column: w ≈ ws·wq (int8_panels.h). y = Σ groups (Σ xq·wq)·xs·ws, the inner sum exact in 32-bit
// integers, the outer one in f32, in order. Weight bytes are wq + 128, since the instructions multiply unsigned by
// signed; -128·Σ xq takes that back.
#pragma once
#include "int8_panels.h"

namespace qlora::QLORA_SIMD {

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

// One block of the product; x from the quantize_row of P8, P8::dwords a group.
template <class P, class P8>
void product_block8(const Product4& p, const GemmPlan& plan, const Block& block, const int32_t* x, float* scratch) {
  const int64_t groups = (plan.depth + int8_group - 1) / int8_group, chunk = plan.chunk / int8_group;
  uint8_t* const bytes = (uint8_t*)scratch;                            // [panel][group][16][width][4]
  float* const scales = scratch + plan.max_cols * plan.chunk / 4;      // [panel][group][width]
  float* const sums = scratch + plan.max_cols * plan.chunk;
  const int64_t width = (block.cols + W - 1) / W * W, stride = groups * P8::dwords;
  const RowTiles row{block.rows};
  if (block.rows == 0 || block.cols == 0) return;
  for (int64_t g0 = 0; g0 < groups; g0 += chunk) {
    const int64_t n = std::min(chunk, groups - g0);
    for (int64_t g = 0; g < n; ++g) {
      const int64_t k = (g0 + g) * int8_group;
      RowTables tables;
      tables.col = block.col;
      tables.cols = block.cols;
      for (int64_t c = 0; c < block.cols; c += NR) {
        const int cols = int(std::min<int64_t>(NR, block.cols - c)), w = (cols + W - 1) / W * W;
        const Group8 out{bytes + (c * n + g * w) * int8_group, scales + c * n + g * w, w};
        if (p.int8 == Int8::forward) P8::forward(p.w, k, block.col + c, cols, out);
        else if (p.int8 == Int8::backward) P8::backward(p.w, k, block.col + c, cols, tables, out);
        else with_panel<P>(p, [&](const auto& panel) {
          fill_general(panel, k, int(std::min<int64_t>(int8_group, plan.depth - k)), block.col + c, cols, out);
        });
      }
    }
    Ahead ahead{};
    if (g0 + n < groups)
      with_panel<P>(p, [&](const auto& panel) {
        const int64_t k = (g0 + n) * int8_group;
        ahead = panel.ahead(k, std::min(plan.chunk, plan.depth - k), block.col, block.cols);
      });
    const int64_t share = GemmPlan::ceil(ahead.lines(), row.count * GemmPlan::ceil(block.cols, NR));
    for (int64_t i = 0; i < row.count; ++i) {
      const int64_t r = row.begin(i), y_row = block.row + r;
      const int m = int(row.begin(i + 1) - r);
      for (int64_t c = 0; c < block.cols; c += NR) {
        ahead.fetch(share);
        const int columns = int(std::min<int64_t>(NR, block.cols - c));
        float* const s = sums + r * width + c;
        float* const y = p.out + y_row * plan.cols + block.col + c;
        const Sums out{g0 ? s : nullptr, g0 + n < groups ? s : nullptr, width, y, plan.cols, 1.0f, p.accumulate};
        const int32_t* const left = x + y_row * stride + g0 * P8::dwords;
        const auto tile = P8::tiles().at[m][(columns + W - 1) / W];
        tile(n, left, stride, bytes + c * n * int8_group, scales + c * n, columns, out);
      }
    }
  }
}

}  // namespace qlora::QLORA_SIMD
