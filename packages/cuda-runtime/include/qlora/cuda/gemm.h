// gemm.h: the one tile loop of all products on tensor cores: out [m, n] (+)= alpha · left [m, depth] · right [depth, n], with
// bf16 operands and f32 sums. What differs between products is how the tiles of the operands are made: panels
// (gemm_panels.h for dense operands; other packages bring their own, of codes for instance).
//
// A block of four warps makes one tile of the result. Tiles of the operands go through a ring of stages: while one is
// multiplied, those after it are on their way from memory, by cp.async or in registers.
#pragma once
#include "gemm_panels.h"

namespace qlora::cuda::gemm {

inline constexpr int threads = 128;

// Stages of the ring where a panel makes its tiles itself: one in use, one ready, one in the making.
inline constexpr int made_stages = 3;

// A tile of the result: each of the 2 × 2 warps makes a quarter. The large one reads the fewest bytes per product; the small one is
// for results with too few large tiles to fill a GPU, and leaves registers to panels that need them. Few small tiles run at
// a time, so more of the depth has to be on its way to each.
struct Large {
  static constexpr int m = 128, n = 128, stages = 3;
  static constexpr int blocks = 2;  // of a multiprocessor at once, which bounds registers
};
struct Small {
  static constexpr int m = 64, n = 64, stages = 6, blocks = 4;
};

// Where the result goes: f32 or bf16 [m, n].
struct Output {
  void* data;
  int m, n;
  bool f32;
  float alpha;
  bool accumulate;  // add to what is there
};

// Two neighbouring elements of the result.
__device__ inline void put(const Output& out, int row, int column, float first, float second) {
  if (row >= out.m || column >= out.n) return;
  const int64_t at = int64_t(row) * out.n + column;
  const bool both = column + 1 < out.n;
  first *= out.alpha, second *= out.alpha;
  if (out.f32) {
    float* p = static_cast<float*>(out.data) + at;
    if (uintptr_t(p) % 8 == 0 && both) {
      float2& pair = *reinterpret_cast<float2*>(p);
      pair = out.accumulate ? make_float2(pair.x + first, pair.y + second) : make_float2(first, second);
    } else {
      p[0] = out.accumulate ? p[0] + first : first;
      if (both) p[1] = out.accumulate ? p[1] + second : second;
    }
  } else {
    bf16* p = static_cast<bf16*>(out.data) + at;
    if (uintptr_t(p) % 4 == 0 && both) {
      uint32_t& pair = *reinterpret_cast<uint32_t*>(p);
      pair = out.accumulate ? ptx::pack_bf16(widen_low(pair) + first, widen_high(pair) + second) : ptx::pack_bf16(first, second);
    } else {
      p[0].bits = ptx::round_bf16(out.accumulate ? widen(p[0]) + first : first);
      if (both) p[1].bits = ptx::round_bf16(out.accumulate ? widen(p[1]) + second : second);
    }
  }
}

template <class Shape, bool left_across, bool right_across>
struct Stage {
  Tile<Shape::m, left_across> left;
  Tile<Shape::n, right_across> right;
};

template <class Shape, class LeftTile, class RightTile>
__device__ void multiply(LeftTile& left, RightTile& right, int lane, int row, int column,
                         float (&sums)[Shape::m / 32][Shape::n / 16][4]) {
#pragma unroll
  for (int k = 0; k < step; k += 16) {
    uint32_t a[Shape::m / 32][4], b[Shape::n / 32][4];
#pragma unroll
    for (int i = 0; i < Shape::m / 32; ++i) left.left(a[i], row + 16 * i, k, lane);
#pragma unroll
    for (int j = 0; j < Shape::n / 32; ++j) right.right(b[j], column + 16 * j, k, lane);
#pragma unroll
    for (int i = 0; i < Shape::m / 32; ++i)
#pragma unroll
      for (int j = 0; j < Shape::n / 16; ++j) ptx::mma_bf16(sums[i][j], a[i], b[j / 2][j % 2 * 2], b[j / 2][j % 2 * 2 + 1]);
  }
}

// Which tile of the result a block makes: blocks that run together make tiles that lie together, up to eight rows of them, so that
// they find each other's operands in the cache.
struct Place {
  int row, column;
  __device__ Place(int block, int rows, int columns) {
    const int group = block / (8 * columns) * 8, height = min(8, rows - group), within = block - group * columns;
    row = group + within % height, column = within / height;
  }
};

// The panels of a product and the size of its ring.
template <class Shape, bool left_across, bool right_across, template <class, int> class LeftPanel,
          template <class, int> class RightPanel>
struct Operands {
  using Left = LeftPanel<Tile<Shape::m, left_across>, threads>;
  using Right = RightPanel<Tile<Shape::n, right_across>, threads>;
  using Ring = Stage<Shape, left_across, right_across>;
  static constexpr bool copied = Left::copied && Right::copied;
  static constexpr int stages = copied ? Shape::stages : made_stages;
  static constexpr int shared_bytes = stages * int(sizeof(Ring)) + Left::shared_bytes + Right::shared_bytes;
};

template <class Shape, class Operands>
__global__ void __launch_bounds__(threads, Shape::blocks)
    gemm_kernel(typename Operands::Left::Source left_source, typename Operands::Right::Source right_source, int depth, Output out) {
  using Ring = typename Operands::Ring;
  constexpr int stages = Operands::stages;
  QLORA_SHARED(Ring, ring);
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const int row = warp / 2 * (Shape::m / 2), column = warp % 2 * (Shape::n / 2);
  const Place place(blockIdx.x, (out.m + Shape::m - 1) / Shape::m, (out.n + Shape::n - 1) / Shape::n);
  const int row0 = place.row * Shape::m, column0 = place.column * Shape::n;
  char* own = reinterpret_cast<char*>(ring + stages);
  typename Operands::Left left(left_source, row0, own);
  typename Operands::Right right(right_source, column0, own + Operands::Left::shared_bytes);

  float sums[Shape::m / 32][Shape::n / 16][4] = {};
  const int steps = (depth + step - 1) / step;
  for (int s = 0; s < stages - 1; ++s) {
    if (s < steps) left.begin(ring[s].left), right.begin(ring[s].right);
    ptx::copy_commit();
    if constexpr (!Operands::copied) ptx::copy_wait<0>();
    if (s < steps) left.finish(ring[s].left), right.finish(ring[s].right);
  }
  for (int s = 0, now = 0, next = stages - 1; s < steps; ++s) {
    ptx::copy_wait<stages - 2>();
    __syncthreads();  // tile `now` is here for everyone, and nobody reads `next` any more
    const bool more = s + stages - 1 < steps;
    if (more) left.begin(ring[next].left), right.begin(ring[next].right);
    ptx::copy_commit();
    multiply<Shape>(ring[now].left, ring[now].right, lane, row, column, sums);
    if (more) left.finish(ring[next].left), right.finish(ring[next].right);
    now = now + 1 == stages ? 0 : now + 1;
    next = next + 1 == stages ? 0 : next + 1;
  }

#pragma unroll
  for (int i = 0; i < Shape::m / 32; ++i)
#pragma unroll
    for (int j = 0; j < Shape::n / 16; ++j)
#pragma unroll
      for (int half = 0; half < 2; ++half)
        put(out, row0 + row + 16 * i + 8 * half + lane / 4, column0 + column + 8 * j + lane % 4 * 2, sums[i][j][2 * half],
            sums[i][j][2 * half + 1]);
}

// Queues the product. Sizes are below 2^31.
template <class Shape, bool left_across, bool right_across, template <class, int> class Left, template <class, int> class Right>
Status launch_gemm(const typename Left<Tile<Shape::m, left_across>, threads>::Source& left,
                   const typename Right<Tile<Shape::n, right_across>, threads>::Source& right, int depth, const Output& out,
                   Stream stream) {
  if (out.m == 0 || out.n == 0) return {};
  using Both = Operands<Shape, left_across, right_across, Left, Right>;
  const unsigned tiles = unsigned((out.m + Shape::m - 1) / Shape::m) * unsigned((out.n + Shape::n - 1) / Shape::n);
  return launch(gemm_kernel<Shape, Both>, {.grid = tiles, .block = threads, .shared = Both::shared_bytes, .stream = stream}, left, right,
                depth, out);
}

// Whether a result has enough large tiles to fill a GPU: from a hundred on, as many as large GPUs have multiprocessors.
inline bool fills_large(int64_t m, int64_t n) {
  return (m + Large::m - 1) / Large::m * ((n + Large::n - 1) / Large::n) >= 100;
}

}  // namespace qlora::cuda::gemm
