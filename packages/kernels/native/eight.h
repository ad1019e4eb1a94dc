// eight.h: device code that walks over arrays eight elements at a time, f32 or bf16 in memory and f32 in registers.
#pragma once
#include "cuda.h"
#include "qlora/cuda/kernel.h"

namespace qlora::cuda {

__device__ inline float element(float x) { return x; }
__device__ inline float element(bf16 x) { return widen(x); }
__device__ inline void put(float* p, float x) { *p = x; }
__device__ inline void put(bf16* p, float x) { p->bits = ptx::round_bf16(x); }

__device__ inline void load_eight(float (&v)[8], const float* p) {
  const float4 a = reinterpret_cast<const float4*>(p)[0], b = reinterpret_cast<const float4*>(p)[1];
  v[0] = a.x, v[1] = a.y, v[2] = a.z, v[3] = a.w, v[4] = b.x, v[5] = b.y, v[6] = b.z, v[7] = b.w;
}
__device__ inline void load_eight(float (&v)[8], const bf16* p) {
  const uint4 a = *reinterpret_cast<const uint4*>(p);
  const uint32_t pairs[4] = {a.x, a.y, a.z, a.w};
#pragma unroll
  for (int i = 0; i < 4; ++i) v[2 * i] = widen_low(pairs[i]), v[2 * i + 1] = widen_high(pairs[i]);
}
__device__ inline void store_eight(float* p, const float (&v)[8]) {
  reinterpret_cast<float4*>(p)[0] = make_float4(v[0], v[1], v[2], v[3]);
  reinterpret_cast<float4*>(p)[1] = make_float4(v[4], v[5], v[6], v[7]);
}
__device__ inline void store_eight(bf16* p, const float (&v)[8]) {
  *reinterpret_cast<uint4*>(p) = make_uint4(ptx::pack_bf16(v[0], v[1]), ptx::pack_bf16(v[2], v[3]), ptx::pack_bf16(v[4], v[5]),
                                            ptx::pack_bf16(v[6], v[7]));
}

// The first n of eight elements at p, zeros for the rest; all at once where p lies on a 16-byte boundary (`aligned`).
template <class T>
__device__ inline void load(float (&v)[8], const T* p, int64_t n, bool aligned) {
  if (aligned && n >= 8) return load_eight(v, p);
#pragma unroll
  for (int i = 0; i < 8; ++i) v[i] = i < n ? element(p[i]) : 0;
}
template <class T>
__device__ inline void store(T* p, const float (&v)[8], int64_t n, bool aligned) {
  if (aligned && n >= 8) return store_eight(p, v);
#pragma unroll
  for (int i = 0; i < 8; ++i)
    if (i < n) put(p + i, v[i]);
}

// True when every eight elements of these arrays, taken as rows of `width`, begin on a 16-byte boundary.
template <class... P>
bool rows_aligned(int64_t width, const P*... arrays) {
  return width % 8 == 0 && ((reinterpret_cast<uintptr_t>(arrays) % 16 == 0) && ...);
}

// Calls f with the pointer of its type.
template <class F>
Status with_type(Floats x, F f) {
  return x.narrow ? f(static_cast<bf16*>(x.data)) : f(static_cast<float*>(x.data));
}
// The array as one of T, which it is.
template <class T>
T* as(Floats x) {
  return static_cast<T*>(x.data);
}

inline constexpr int threads_per_block = 256;
// Blocks for n elements, eight a thread.
inline unsigned blocks_of_eights(int64_t n) { return unsigned((n + 8 * threads_per_block - 1) / (8 * threads_per_block)); }

}  // namespace qlora::cuda
