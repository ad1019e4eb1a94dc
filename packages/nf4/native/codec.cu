// codec.cu: the 4-bit codec on a device; every result is the bits of the CPU's (codec.h).
#include "decode.h"
#include "reciprocal.h"

namespace qlora::nf4 {
namespace {

using cuda::launch;

constexpr int threads = 256, each = 8;  // elements of a thread at a time

__device__ uint32_t word(const float* x, int64_t i) { return __float_as_uint(x[i]); }
__device__ uint32_t word(const bf16* x, int64_t i) { return uint32_t(x[i].bits) << 16; }
__device__ void load8(const float* x, uint32_t (&bits)[each]) {
  const uint4 a = reinterpret_cast<const uint4*>(x)[0], b = reinterpret_cast<const uint4*>(x)[1];
  bits[0] = a.x, bits[1] = a.y, bits[2] = a.z, bits[3] = a.w, bits[4] = b.x, bits[5] = b.y, bits[6] = b.z, bits[7] = b.w;
}
__device__ void load8(const bf16* x, uint32_t (&bits)[each]) {
  const uint4 a = *reinterpret_cast<const uint4*>(x);
  const uint32_t pairs[4] = {a.x, a.y, a.z, a.w};
#pragma unroll
  for (int i = 0; i < 4; ++i) bits[2 * i] = pairs[i] << 16, bits[2 * i + 1] = pairs[i] & 0xffff0000u;
}
// f32 bits of weights i … i + 7, zeros from `end` on.
template <class T>
__device__ void load(const T* x, int64_t i, int64_t end, bool whole, uint32_t (&bits)[each]) {
  if (whole && i + each <= end) return load8(x + i, bits);
#pragma unroll
  for (int j = 0; j < each; ++j) bits[j] = i + j < end ? word(x, i + j) : 0;
}

__device__ bool finite(float x) { return (__float_as_uint(x) & 0x7f800000u) != 0x7f800000u; }

// A block of weights belongs to `lanes` neighbouring lanes, which take eight of them at a time.
template <class T>
__global__ void __launch_bounds__(threads)
    quantize_kernel(const T* x, int64_t n, int block, int lanes, const __grid_constant__ DeviceCodebook codebook, bool is_signed,
                    float* scales, uint8_t* codes, int* bad) {
  QLORA_SHARED_STATIC(float, pivots, [16]);
  if (threadIdx.x < 15) pivots[threadIdx.x] = codebook.pivots[threadIdx.x];
  __syncthreads();
  const int64_t b = (int64_t(blockIdx.x) * threads + threadIdx.x) / lanes;
  const int lane = threadIdx.x % lanes;
  const int64_t begin = b * block, end = min(n, begin + block);
  const bool whole = uintptr_t(x) % 16 == 0;

  int magnitude = 0, positive = 0;  // as bits, compared as integers, so that NaN is above all
  uint32_t bits[each];
  for (int64_t i = begin + each * lane; i < end; i += each * lanes) {
    load(x, i, end, whole, bits);
#pragma unroll
    for (int j = 0; j < each; ++j) magnitude = max(magnitude, int(bits[j] & 0x7fffffffu)), positive = max(positive, int(bits[j]));
  }
  for (int half = lanes / 2; half; half /= 2) {
    magnitude = max(magnitude, __shfl_xor_sync(~0u, magnitude, half));
    positive = max(positive, __shfl_xor_sync(~0u, positive, half));
  }
  if (begin >= n) return;
  const float scale = __uint_as_float(uint32_t(magnitude) | (is_signed && positive != magnitude ? 0x80000000u : 0));
  if (lane == 0) {
    scales[b] = scale;
    if (!finite(scale)) atomicMin(bad, int(b));
  }

  const Reciprocal reciprocal(scale);
  for (int64_t i = begin + each * lane; i < end; i += each * lanes) {
    load(x, i, end, whole, bits);
    uint32_t packed = 0;
#pragma unroll
    for (int j = 0; j < each; ++j) {
      const float v = reciprocal(__uint_as_float(bits[j]));
      int rank = 0;
#pragma unroll
      for (int step = 8; step; step /= 2) rank += v > pivots[rank + step - 1] ? step : 0;
      const uint32_t code = i + j < end ? uint32_t(codebook.order >> (4 * rank)) & 15 : codebook.zero;
      packed |= code << (4 * (j ^ 1));  // the first of two in the high nibble
    }
    if (i + each <= end && uintptr_t(codes) % 4 == 0) {
      *reinterpret_cast<uint32_t*>(codes + i / 2) = packed;
    } else {
      for (int j = 0; j < each && i + j < end; j += 2) codes[(i + j) / 2] = uint8_t(packed >> (4 * j));
    }
  }
}

__device__ void store8(const float (&v)[each], float* out) {
  reinterpret_cast<float4*>(out)[0] = make_float4(v[0], v[1], v[2], v[3]);
  reinterpret_cast<float4*>(out)[1] = make_float4(v[4], v[5], v[6], v[7]);
}
__device__ void store8(const float (&v)[each], bf16* out) {
  *reinterpret_cast<uint4*>(out) = make_uint4(ptx::pack_bf16(v[0], v[1]), ptx::pack_bf16(v[2], v[3]), ptx::pack_bf16(v[4], v[5]),
                                              ptx::pack_bf16(v[6], v[7]));
}
__device__ void store(float v, float* out) { *out = v; }
__device__ void store(float v, bf16* out) { out->bits = ptx::round_bf16(v); }

// Four times eight weights a thread, each time the block's in one stretch.
constexpr int rounds = 4;
template <class T>
__global__ void __launch_bounds__(threads) dequantize_kernel(DeviceWeights w, int64_t count, T* out) {
  QLORA_SHARED_STATIC(float, levels, [16]);
  QLORA_SHARED_STATIC(float, map, [256]);
#pragma unroll
  for (int i = 0; i < 16; ++i)
    if (threadIdx.x == unsigned(i)) levels[i] = w.levels[i];
  if (w.scale.codes) map[threadIdx.x] = w.scale.map[threadIdx.x];
  __syncthreads();
  const bool whole = uintptr_t(w.codes) % 4 == 0 && uintptr_t(out) % 16 == 0, shifted = w.shift.absmax != nullptr;
  const int64_t first = (int64_t(blockIdx.x) * rounds * threads + threadIdx.x) * each;
#pragma unroll
  for (int round = 0; round < rounds; ++round) {
    const int64_t at = first + int64_t(round) * threads * each;
    if (at >= count) return;
    const int64_t block = at >> w.block_bits;
    uint32_t codes = 0;
    if (whole && at + each <= count) codes = *reinterpret_cast<const uint32_t*>(w.codes + at / 2);
    else
      for (int j = 0; j < each && at + j < count; j += 2) codes |= uint32_t(w.codes[(at + j) / 2]) << (4 * j);
    const float absmax = w.scale.absmax[w.scale.codes ? block >> 8 : block];
    const float scale = w.scale.codes ? unnest(map[w.scale.codes[block]], absmax, w.scale.offset) : absmax;
    const float shift = shifted ? value(w.shift, block) : 0.0f;
    float v[each];
#pragma unroll
    for (int j = 0; j < each; ++j) {
      v[j] = weight(levels[codes >> (4 * (j ^ 1)) & 15], scale);
      if (shifted) v[j] = __fadd_rn(v[j], shift);
    }
    if (whole && at + each <= count) {
      store8(v, out + at);
    } else {
#pragma unroll
      for (int j = 0; j < each; ++j)
        if (at + j < count) store(v[j], out + at + j);
    }
  }
}

unsigned grid(int64_t n, int64_t per_block) { return unsigned((n + per_block - 1) / per_block); }

template <class T>
Status quantize(const T* x, int64_t n, int block, const DeviceCodebook& codebook, bool is_signed, float* scale, uint8_t* codes,
                int* bad, Stream stream) {
  const int lanes = min(32, block / each);
  const int64_t blocks = (n + block - 1) / block;
  return launch(quantize_kernel<T>, {.grid = grid(blocks * lanes, threads), .block = threads, .stream = stream}, x, n, block, lanes,
                codebook, is_signed, scale, codes, bad);
}

}  // namespace

Status quantize(Matrix x, int64_t n, int block, const DeviceCodebook& codebook, bool is_signed, float* scale, uint8_t* codes,
                int* bad, Stream stream) {
  const Status filled = cuda::fill(bad, no_block & 255, sizeof(int), stream);
  if (!filled.ok() || n == 0) return filled;
  if (x.f32) return quantize(static_cast<const float*>(x.data), n, block, codebook, is_signed, scale, codes, bad, stream);
  return quantize(static_cast<const bf16*>(x.data), n, block, codebook, is_signed, scale, codes, bad, stream);
}

Status dequantize(const DeviceWeights& w, int64_t count, Matrix out, Stream stream) {
  if (count == 0) return {};
  const cuda::Shape shape{.grid = grid(count, threads * each * rounds), .block = threads, .stream = stream};
  if (out.f32) return launch(dequantize_kernel<float>, shape, w, count, static_cast<float*>(out.data));
  return launch(dequantize_kernel<bf16>, shape, w, count, static_cast<bf16*>(out.data));
}

}  // namespace qlora::nf4
