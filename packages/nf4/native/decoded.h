// decoded.h: the panel of 4-bit weights for the tile loop: codes on their way in registers, decoded into the tile in bf16.
#pragma once
#include "decode.h"
#include "qlora/cuda/gemm.h"

namespace qlora::nf4 {

// Weights [n, k] as [extent, depth], or as [depth, extent] where the tile is across.
template <class Tile, int threads>
class Decoded {
 public:
  using Source = DeviceWeights;
  __device__ Decoded(const Source& w, int first) : w_(w), first_(first), whole_(w.k % 32 == 0 && uintptr_t(w.codes) % 16 == 0) {}

  __device__ void begin(Tile&) {
    const int row = row_ + (Tile::across ? depth_ : first_), column = column_ + (Tile::across ? first_ : depth_);
    depth_ += cuda::gemm::step;
    count_ = row < w_.n ? min(run, w_.k - column) : 0;
    at_ = int64_t(row) * w_.k + column;
    if (!whole_ || count_ <= 0) return;
    if constexpr (run == 32) {
      const uint4 codes = *reinterpret_cast<const uint4*>(w_.codes + at_ / 2);
      codes_[0] = codes.x, codes_[1] = codes.y, codes_[2] = codes.z, codes_[3] = codes.w;
    } else {
      const uint2 codes = *reinterpret_cast<const uint2*>(w_.codes + at_ / 2);
      codes_[0] = codes.x, codes_[1] = codes.y;
    }
    const int64_t block = at_ >> w_.block_bits;
    absmax_ = w_.scale.absmax[w_.scale.codes ? block >> 8 : block];
    if (w_.scale.codes) nested_ = w_.scale.codes[block];
  }

  __device__ void finish(Tile& tile) {
    if (!whole_) return ragged(tile);
    if (count_ <= 0) {
#pragma unroll
      for (int i = 0; i < run / 8; ++i) *tile.chunk(row_, column_ + 8 * i) = make_uint4(0, 0, 0, 0);
      return;
    }
    const float scale = w_.scale.codes ? unnest(w_.scale.map[nested_], absmax_, w_.scale.offset) : absmax_;
    const bool shifted = w_.shift.absmax != nullptr;
    const Table table(w_.levels, scale, shifted ? value(w_.shift, at_ >> w_.block_bits) : 0.0f, shifted);
#pragma unroll
    for (int i = 0; i < run / 8; ++i) *tile.chunk(row_, column_ + 8 * i) = table[codes_[i]];
  }

 private:
  static constexpr int run = Tile::extent * cuda::gemm::step / threads;  // codes of a thread, one after another in a row
  static_assert(run == 32 || run == 16);

  // Rows that are no multiples of 32: one by one.
  __device__ void ragged(Tile& tile) const {
#pragma unroll 1
    for (int i = 0; i < run; ++i) {
      float result = 0;
      if (i < count_) {
        const int64_t at = at_ + i, block = at >> w_.block_bits;
        const int code = w_.codes[at / 2] >> (at % 2 ? 0 : 4) & 15;
        float level = 0;
#pragma unroll
        for (int j = 0; j < 16; ++j) level = code == j ? w_.levels[j] : level;
        result = weight(level, value(w_.scale, block));
        if (w_.shift.absmax) result = __fadd_rn(result, value(w_.shift, block));
      }
      reinterpret_cast<uint16_t*>(tile.chunk(row_, column_ + i))[i % 8] = ptx::round_bf16(result);
    }
  }

  const Source w_;
  const int first_;
  const bool whole_;
  const int row_ = threadIdx.x / (Tile::columns / run), column_ = threadIdx.x % (Tile::columns / run) * run;
  int depth_ = 0, count_ = 0;
  int64_t at_ = 0;
  uint32_t codes_[run / 8];
  float absmax_ = 0;
  uint8_t nested_ = 0;
};

}  // namespace qlora::nf4
