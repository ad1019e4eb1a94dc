// gemm_panels.h: how the tiles of a dense operand are made. A panel belongs to one tile row or column of the result and makes
// its tiles in the order of the depth: begin(tile) starts one, finish(tile) ends it, with a product in between that hides the
// latency of memory. `copied`: tiles are made by cp.async alone, so that several can be on their way. `shared_bytes` of shared memory
// are a panel's own.
#pragma once
#include "gemm_tile.h"

namespace qlora::cuda::gemm {

// A row-major matrix in memory: [extent, depth], or [depth, extent] where the tile is across. f32 is rounded to bf16.
struct Dense {
  const void* data;
  int extent, depth;
  bool f32;

  // Whether whole 16-byte chunks of bf16 can be copied.
  bool chunked(bool across) const {
    return !f32 && (across ? extent : depth) % 8 == 0 && uintptr_t(data) % 16 == 0;
  }
};

// Where the chunks of eight elements are that a thread brings to each tile: `count` of them, every `stride` rows.
template <class Tile, int threads>
struct Chunks {
  static constexpr int count = Tile::rows * Tile::chunks / threads, stride = threads / Tile::chunks;
  static_assert(count * threads == Tile::rows * Tile::chunks && threads % Tile::chunks == 0);
  int row = threadIdx.x / Tile::chunks, column = threadIdx.x % Tile::chunks * 8;
};

// A bf16 operand in whole chunks (Dense::chunked), by cp.async.
template <class Tile, int threads>
class Copied {
 public:
  using Source = Dense;
  static constexpr bool copied = true;
  static constexpr int shared_bytes = 0;
  __device__ Copied(const Source& source, int first, void*) : source_(source), first_(first) {
    at_ = static_cast<const bf16*>(source.data) + position(0);
  }
  __device__ void begin(Tile& tile) {
    const int across = first_ + (Tile::across ? own_.column : own_.row), along = depth_ + (Tile::across ? own_.row : own_.column);
#pragma unroll
    for (int i = 0; i < own_.count; ++i) {
      const int shift = i * own_.stride;
      const bool inside = across + (Tile::across ? 0 : shift) < source_.extent && along + (Tile::across ? shift : 0) < source_.depth;
      ptx::copy_async(tile.chunk(own_.row + shift, own_.column), inside ? at_ + int64_t(shift) * pitch() : source_.data, inside);
    }
    depth_ += step;
    at_ += Tile::across ? int64_t(step) * pitch() : step;
  }
  __device__ void finish(Tile&) {}

 private:
  __device__ int pitch() const { return Tile::across ? source_.extent : source_.depth; }
  __device__ int64_t position(int depth) const {
    return Tile::across ? int64_t(depth + own_.row) * pitch() + first_ + own_.column
                        : int64_t(first_ + own_.row) * pitch() + depth + own_.column;
  }
  const Source source_;
  const int first_;
  int depth_ = 0;
  const Chunks<Tile, threads> own_;
  const bf16* at_;
};

// Any dense operand, through registers: f32, rows of any length, any alignment of elements.
template <class Tile, int threads>
class Loaded {
 public:
  using Source = Dense;
  static constexpr bool copied = false;
  static constexpr int shared_bytes = 0;
  __device__ Loaded(const Source& source, int first, void*)
      : source_(source), first_(first), whole_(pitch() % 8 == 0 && uintptr_t(source.data) % 16 == 0) {}

  __device__ void begin(Tile&) {
#pragma unroll
    for (int i = 0; i < own_.count; ++i) {
      const int row = own_.row + i * own_.stride + (Tile::across ? depth_ : first_);
      const int column = own_.column + (Tile::across ? first_ : depth_);
      const int rows = Tile::across ? source_.depth : source_.extent;
      load(row < rows ? min(8, pitch() - column) : 0, int64_t(row) * pitch() + column, words_[i]);
    }
    depth_ += step;
  }
  __device__ void finish(Tile& tile) {
#pragma unroll
    for (int i = 0; i < own_.count; ++i) {
      const uint32_t(&w)[8] = words_[i];
      uint4 chunk = make_uint4(w[0], w[1], w[2], w[3]);
      if (source_.f32) chunk = make_uint4(pack(w[0], w[1]), pack(w[2], w[3]), pack(w[4], w[5]), pack(w[6], w[7]));
      *tile.chunk(own_.row + i * own_.stride, own_.column) = chunk;
    }
  }

 private:
  __device__ int pitch() const { return Tile::across ? source_.extent : source_.depth; }
  __device__ static uint32_t pack(uint32_t low, uint32_t high) {
    return ptx::pack_bf16(__uint_as_float(low), __uint_as_float(high));
  }
  // `count` elements (≤ 0: none) from element `at`, zeros after them: 8 words of f32, or 4 pairs of bf16.
  __device__ void load(int count, int64_t at, uint32_t (&words)[8]) const {
    const uint4* chunk = reinterpret_cast<const uint4*>(static_cast<const char*>(source_.data) + at * (source_.f32 ? 4 : 2));
    if (whole_ && count == 8) {
      const uint4 first = chunk[0];
      words[0] = first.x, words[1] = first.y, words[2] = first.z, words[3] = first.w;
      if (!source_.f32) return;
      const uint4 second = chunk[1];
      words[4] = second.x, words[5] = second.y, words[6] = second.z, words[7] = second.w;
      return;
    }
    const uint16_t* halves = reinterpret_cast<const uint16_t*>(chunk);
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      if (source_.f32) words[i] = i < count ? __float_as_uint(reinterpret_cast<const float*>(chunk)[i]) : 0;
      else if (i < 4) words[i] = (2 * i < count ? halves[2 * i] : 0u) | (2 * i + 1 < count ? halves[2 * i + 1] : 0u) << 16;
    }
  }
  const Source source_;
  const int first_;
  const bool whole_;
  int depth_ = 0;
  const Chunks<Tile, threads> own_;
  uint32_t words_[Chunks<Tile, threads>::count][8];
};

}  // namespace qlora::cuda::gemm
