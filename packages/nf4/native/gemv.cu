// gemv.cu: y [m, n] = x [m, k] · wᵀ for a few rows of x (decoding a token at a time): as fast as codes come from memory. Levels are
// looked up in f32, so weights are not rounded.
#include "decode.h"
#include "qlora/cuda/gemm.h"

namespace qlora::nf4 {
namespace {

// A warp makes two columns of y for one row of x, or for four. Lanes take 32 codes (16 bytes, one scale) of each in turn, so a
// warp 1024; x comes in parts of 4096 through shared memory, its 16-byte chunks in the order in which the lanes read them: chunk j
// of all lanes, one after another.
constexpr int warps = 4, columns = 2, slice = 1024, part = 4 * slice;

template <int rows>
struct Shared {
  uint4 x[rows][part / 8];
  float map[256];
  float levels[16];
};

template <int rows>
__global__ void __launch_bounds__(32 * warps) gemv_kernel(DeviceWeights w, const bf16* x, int m, cuda::gemm::Output out) {
  const int row0 = blockIdx.y * rows;
  QLORA_SHARED(Shared<rows>, s);
  const int t = threadIdx.x, lane = t % 32, column0 = (blockIdx.x * warps + t / 32) * columns;
#pragma unroll
  for (int i = 0; i < 16; ++i)
    if (t == i) s->levels[i] = w.levels[i];
  if (w.scale.codes)
    for (int i = t; i < 256; i += 32 * warps) s->map[i] = w.scale.map[i];

  float sums[columns][rows] = {};
  for (int first = 0; first < w.k; first += part) {
    const int length = min(part, w.k - first);
    __syncthreads();  // the part before is read
    for (int r = 0; r < rows; ++r)
      for (int c = t; c < length / 8; c += 32 * warps) {
        const int place = c / 128 * 128 + c % 4 * 32 + c % 128 / 4;
        const uint4* chunk = reinterpret_cast<const uint4*>(x + int64_t(row0 + r) * w.k + first + 8 * c);
        s->x[r][place] = row0 + r < m ? *chunk : make_uint4(0, 0, 0, 0);
      }
    __syncthreads();
#pragma unroll 2
    for (int at = 32 * lane; at < length; at += slice) {
      uint32_t codes[columns][4];
      float scale[columns];
#pragma unroll
      for (int i = 0; i < columns; ++i) {
        const int64_t element = int64_t(min(column0 + i, w.n - 1)) * w.k + first + at, block = element >> w.block_bits;
        const uint4 read = *reinterpret_cast<const uint4*>(w.codes + element / 2);
        codes[i][0] = read.x, codes[i][1] = read.y, codes[i][2] = read.z, codes[i][3] = read.w;
        const float absmax = w.scale.absmax[w.scale.codes ? block >> 8 : block];
        scale[i] = w.scale.codes ? unnest(s->map[w.scale.codes[block]], absmax, w.scale.offset) : absmax;
      }
      float products[columns][rows] = {};
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        uint32_t pairs[rows][4];
#pragma unroll
        for (int r = 0; r < rows; ++r) {
          const uint4 read = s->x[r][at / slice * 128 + 32 * j + lane];
          pairs[r][0] = read.x, pairs[r][1] = read.y, pairs[r][2] = read.z, pairs[r][3] = read.w;
        }
#pragma unroll
        for (int byte = 0; byte < 4; ++byte)
#pragma unroll
          for (int i = 0; i < columns; ++i) {
            const float high = s->levels[codes[i][j] >> (8 * byte + 4) & 15], low = s->levels[codes[i][j] >> (8 * byte) & 15];
#pragma unroll
            for (int r = 0; r < rows; ++r) products[i][r] += high * widen_low(pairs[r][byte]) + low * widen_high(pairs[r][byte]);
          }
      }
#pragma unroll
      for (int i = 0; i < columns; ++i)
#pragma unroll
        for (int r = 0; r < rows; ++r) sums[i][r] += scale[i] * products[i][r];
    }
  }
#pragma unroll
  for (int r = 0; r < rows; ++r) {
#pragma unroll
    for (int i = 0; i < columns; ++i)
#pragma unroll
      for (int half = 16; half; half /= 2) sums[i][r] += __shfl_xor_sync(~0u, sums[i][r], half);
    if (lane == 0) cuda::gemm::put(out, row0 + r, column0, sums[0][r], sums[1][r]);
  }
}

template <int rows>
Status run(const DeviceProduct4& p, Stream stream) {
  const unsigned blocks = unsigned((p.w.n + warps * columns - 1) / (warps * columns));
  const cuda::gemm::Output out{p.out.data, int(p.m), p.w.n, p.out.f32, 1.0f, p.accumulate};
  const dim3 grid(blocks, unsigned((p.m + rows - 1) / rows));
  return cuda::launch(gemv_kernel<rows>, {.grid = grid, .block = 32 * warps, .shared = sizeof(Shared<rows>), .stream = stream}, p.w,
                      static_cast<const bf16*>(p.x.data), int(p.m), out);
}

}  // namespace

bool gemv_takes(const DeviceProduct4& p) {
  return !p.transposed && p.m >= 1 && p.m <= device_gemv_rows && !p.x.f32 && p.w.n > 0 && p.w.k % 32 == 0 && p.w.k > 0 &&
         uintptr_t(p.x.data) % 16 == 0 && uintptr_t(p.w.codes) % 16 == 0 && !p.w.shift.absmax;
}

Status gemv(const DeviceProduct4& p, Stream stream) { return p.m == 1 ? run<1>(p, stream) : run<4>(p, stream); }

}  // namespace qlora::nf4
