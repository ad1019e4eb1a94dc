// gemm_tile.h: a tile of an operand in shared memory, and the fragments of mma.sync out of it.
#pragma once
#include "kernel.h"

namespace qlora::cuda::gemm {

inline constexpr int step = 32;  // of the depth, the dimension that is summed over

// bf16 [rows, columns]. The 16-byte chunks of a row are permuted by the row's number, so that the eight rows of an 8×8 matrix
// (ldmatrix), and the chunks that eight neighbouring threads write, lie in different banks.
template <int rows_, int columns_>
struct Swizzled {
  static constexpr int rows = rows_, columns = columns_, chunks = columns / 8;
  static_assert(chunks == 4 || chunks % 8 == 0);
  uint4 data[rows * chunks];

  // The chunk of elements (row, column) … (row, column + 7); column is a multiple of 8.
  __device__ uint4* chunk(int row, int column) {
    const int key = chunks == 4 ? row >> 1 & 3 : row & 7;
    return data + row * chunks + (column / 8 ^ key);
  }
};

// A tile of `extent` rows (of the left operand) or columns (of the right one) of the result, and a step of the depth: stored as
// [extent, step], or `across`, as [step, extent], in the order in which the operand lies in memory.
template <int extent_, bool across_>
struct Tile : Swizzled<across_ ? step : extent_, across_ ? extent_ : step> {
  static constexpr int extent = extent_;
  static constexpr bool across = across_;

  // The left fragment: rows at … at + 15, depth k … k + 15.
  __device__ void left(uint32_t (&fragment)[4], int at, int k, int lane) {
    if constexpr (across) ptx::ldmatrix_trans(fragment, this->chunk(k + lane % 8 + lane / 16 * 8, at + lane / 8 % 2 * 8));
    else ptx::ldmatrix(fragment, this->chunk(at + lane % 16, k + lane / 16 * 8));
  }
  // Two right fragments: columns at … at + 7 in registers 0 and 1, at + 8 … at + 15 in registers 2 and 3.
  __device__ void right(uint32_t (&fragment)[4], int at, int k, int lane) {
    if constexpr (across) ptx::ldmatrix_trans(fragment, this->chunk(k + lane % 16, at + lane / 16 * 8));
    else ptx::ldmatrix(fragment, this->chunk(at + lane % 8 + lane / 16 * 8, k + lane / 8 % 2 * 8));
  }
};

}  // namespace qlora::cuda::gemm
