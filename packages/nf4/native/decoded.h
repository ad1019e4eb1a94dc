// decoded.h: the panel of 4-bit weights for the tile loop: codes come by cp.async some tiles ahead, into shared memory that each
// thread has for itself, and are decoded from there into the tile in bf16.
#pragma once
#include "decode.h"
#include "qlora/cuda/gemm.h"

namespace qlora::nf4 {

// Weights [n, k] as [extent, depth], or as [depth, extent] where the tile is across.
template <class Tile, int threads>
class Decoded {
 public:
  using Source = DeviceWeights;
  static constexpr bool copied = false;
  static constexpr int run = Tile::extent * cuda::gemm::step / threads;  // codes of a thread, one after another in a row
  static_assert(run == 32 || run == 16);
  // The loop waits for what began `ahead` tiles before.
  static constexpr int ahead = cuda::gemm::made_stages - 1, slots = ahead + 1, shared_bytes = slots * threads * run / 2;

  __device__ Decoded(const Source& w, int first, void* own)
      : w_(w), first_(first), whole_(w.k % 32 == 0 && uintptr_t(w.codes) % 16 == 0),
        codes_(static_cast<Codes*>(own) + threadIdx.x) {
    for (int i = 0; i < ahead; ++i) fetch(i);
  }

  __device__ void begin(Tile&) {
    fetch(tile_ + ahead);
    find(tile_++);
    if (!whole_ || count_ <= 0) return;
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
    const Codes codes = codes_[(tile_ - 1) % slots * threads];
#pragma unroll
    for (int i = 0; i < run / 8; ++i) *tile.chunk(row_, column_ + 8 * i) = table[codes.words[i]];
  }

 private:
  struct alignas(run / 2) Codes {
    uint32_t words[run / 8];
  };

  // This thread's weights of a tile: count_ of them from at_ on.
  __device__ void find(int tile) {
    const int depth = tile * cuda::gemm::step;
    const int row = row_ + (Tile::across ? depth : first_), column = column_ + (Tile::across ? first_ : depth);
    count_ = row < w_.n ? min(run, w_.k - column) : 0;
    at_ = int64_t(row) * w_.k + column;
  }
  __device__ void fetch(int tile) {
    find(tile);
    if (whole_ && count_ > 0) ptx::copy_async<run / 2>(codes_ + tile % slots * threads, w_.codes + at_ / 2);
  }

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
  int tile_ = 0, count_ = 0;
  int64_t at_ = 0;
  Codes* const codes_;
  float absmax_ = 0;
  uint8_t nested_ = 0;
};

}  // namespace qlora::nf4
