// quads.h: how a warp holds 256 consecutive elements: lane l has elements 4·l … 4·l + 3 of either half, v[0 … 3] and
// v[4 … 7]. Four at a time where the array lies on a boundary of four (`aligned`); `n` elements are left of the array, zeros
// stand for the rest (part of step.cu).
#pragma once
#include "qlora/cuda/kernel.h"

namespace qlora::cuda {

// The first element of a lane's quad k = 0, 1.
__device__ inline int quad(int k) { return 128 * k + 4 * int(threadIdx.x % 32); }

__device__ inline void load_four(float* v, const float* p) {
  const float4 four = *reinterpret_cast<const float4*>(p);
  v[0] = four.x, v[1] = four.y, v[2] = four.z, v[3] = four.w;
}
__device__ inline void store_four(float* p, const float* v) { *reinterpret_cast<float4*>(p) = make_float4(v[0], v[1], v[2], v[3]); }
__device__ inline void load_four(uint16_t* v, const uint16_t* p) {
  const uint2 pairs = *reinterpret_cast<const uint2*>(p);
  v[0] = uint16_t(pairs.x), v[1] = uint16_t(pairs.x >> 16), v[2] = uint16_t(pairs.y), v[3] = uint16_t(pairs.y >> 16);
}
__device__ inline void store_four(uint16_t* p, const uint16_t* v) {
  *reinterpret_cast<uint2*>(p) = make_uint2(v[0] | uint32_t(v[1]) << 16, v[2] | uint32_t(v[3]) << 16);
}
__device__ inline void load_four(uint8_t* v, const uint8_t* p) {
  const uint32_t four = *reinterpret_cast<const uint32_t*>(p);
  for (int j = 0; j < 4; ++j) v[j] = uint8_t(four >> 8 * j);
}
__device__ inline void store_four(uint8_t* p, const uint8_t* v) {
  *reinterpret_cast<uint32_t*>(p) = v[0] | uint32_t(v[1]) << 8 | uint32_t(v[2]) << 16 | uint32_t(v[3]) << 24;
}

template <class T>
__device__ inline void load(T (&v)[8], const T* x, int64_t n, bool aligned) {
#pragma unroll
  for (int k = 0; k < 2; ++k) {
    const int e = quad(k);
    if (aligned && e + 4 <= n) {
      load_four(v + 4 * k, x + e);
    } else {
#pragma unroll
      for (int j = 0; j < 4; ++j) v[4 * k + j] = e + j < n ? x[e + j] : T(0);
    }
  }
}
template <class T>
__device__ inline void store(T* x, const T (&v)[8], int64_t n, bool aligned) {
#pragma unroll
  for (int k = 0; k < 2; ++k) {
    const int e = quad(k);
    if (aligned && e + 4 <= n) {
      store_four(x + e, v + 4 * k);
    } else {
#pragma unroll
      for (int j = 0; j < 4; ++j)
        if (e + j < n) x[e + j] = v[4 * k + j];
    }
  }
}

// True when the array, which may be null, begins on a boundary of four elements.
template <class T>
__device__ inline bool aligned(const T* p) {
  return reinterpret_cast<uintptr_t>(p) % (4 * sizeof(T)) == 0;
}

}  // namespace qlora::cuda
