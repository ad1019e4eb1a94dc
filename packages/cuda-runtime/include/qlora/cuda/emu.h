// emu.h: the CUDA language for a C++ compiler: what kernels write between __global__ and the closing brace, on the emulator.
// Intrinsics are in emu_intrinsics.h. Never included directly: kernel.h chooses.
#pragma once
#include <bit>
#include <cstring>
#include <type_traits>

#include "emu_engine.h"

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __grid_constant__
#define __constant__ [[maybe_unused]] static
#define __align__(n) __attribute__((aligned(n)))

// Shared memory is declared by QLORA_SHARED and QLORA_SHARED_STATIC, which fill it with NaN and guard it; there is no __shared__.
#define QLORA_SHARED(T, name) T* const name = reinterpret_cast<T*>(::qlora::emu::self->place->shared)
#define QLORA_SHARED_STATIC(T, name, ...) T (&name) __VA_ARGS__ = ::qlora::emu::shared_static<T __VA_ARGS__, decltype([] {})>()

using dim3 = qlora::emu::Dim;
using uint3 = qlora::emu::Index;
struct alignas(8) float2 { float x, y; };
struct alignas(16) float4 { float x, y, z, w; };
struct alignas(8) int2 { int x, y; };
struct alignas(16) int4 { int x, y, z, w; };
struct alignas(8) uint2 { unsigned x, y; };
struct alignas(16) uint4 { unsigned x, y, z, w; };
inline float2 make_float2(float x, float y) { return {x, y}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
inline int2 make_int2(int x, int y) { return {x, y}; }
inline int4 make_int4(int x, int y, int z, int w) { return {x, y, z, w}; }
inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }

#define threadIdx (::qlora::emu::self->thread_index)
#define blockIdx (::qlora::emu::self->place->block_index)
#define blockDim (::qlora::emu::self->place->block_dim)
#define gridDim (::qlora::emu::self->place->grid_dim)
inline constexpr int warpSize = 32;

namespace qlora::emu {
// One object a block for each place in the source that has its own Tag.
template <class T, class Tag>
T& shared_static(At at = At::current()) {
  static const char id = 0;
  return *reinterpret_cast<T*>(shared_static(&id, sizeof(T), at));
}
}  // namespace qlora::emu

// ---- barriers of a block

inline void __syncthreads(qlora::emu::At at = qlora::emu::At::current()) { qlora::emu::barrier(0, at); }
inline int __syncthreads_count(int predicate, qlora::emu::At at = qlora::emu::At::current()) {
  return qlora::emu::barrier(predicate != 0, at);
}
inline int __syncthreads_or(int predicate, qlora::emu::At at = qlora::emu::At::current()) {
  return qlora::emu::barrier(predicate != 0, at) != 0;
}
inline int __syncthreads_and(int predicate, qlora::emu::At at = qlora::emu::At::current()) {
  return qlora::emu::barrier(predicate == 0, at) == 0;
}

// ---- collectives of a warp

namespace qlora::emu {

struct Exchange {
  uint64_t value, result;
  int source;  // a lane, or -1: keep the own value
};
// Reading a lane that takes no part is undefined: it gives a NaN that is easy to recognise.
inline void exchange_all(void** arguments, uint32_t lanes) {
  for (uint32_t rest = lanes; rest; rest &= rest - 1) {
    auto& mine = *static_cast<Exchange*>(arguments[std::countr_zero(rest)]);
    if (mine.source < 0) mine.result = mine.value;
    else mine.result = lanes >> mine.source & 1 ? static_cast<Exchange*>(arguments[mine.source])->value : 0x7fc0dead7fc0deadull;
  }
}
template <class T>
T exchange(uint32_t mask, T value, int source, At at) {
  static_assert(sizeof(T) == 4 || sizeof(T) == 8, "shuffles move 4 or 8 bytes");
  Exchange exchange{0, 0, source};
  std::memcpy(&exchange.value, &value, sizeof value);
  collective(mask, &exchange, exchange_all, at);
  std::memcpy(&value, &exchange.result, sizeof value);
  return value;
}

// One value a lane, one result for all.
template <class T>
struct Reduction {
  T value, result;
};
template <class T, class F>
void reduce_all(void** arguments, uint32_t lanes) {
  T sum = static_cast<Reduction<T>*>(arguments[std::countr_zero(lanes)])->value;
  for (uint32_t rest = lanes & (lanes - 1); rest; rest &= rest - 1)
    sum = F{}(sum, static_cast<Reduction<T>*>(arguments[std::countr_zero(rest)])->value);
  for (uint32_t rest = lanes; rest; rest &= rest - 1) static_cast<Reduction<T>*>(arguments[std::countr_zero(rest)])->result = sum;
}
template <class T, class F>
T reduce(uint32_t mask, T value, F, At at) {
  Reduction<T> reduction{value, value};
  collective(mask, &reduction, reduce_all<T, F>, at);
  return reduction.result;
}

}  // namespace qlora::emu

inline void __syncwarp(unsigned mask = ~0u, qlora::emu::At at = qlora::emu::At::current()) {
  qlora::emu::collective(mask, nullptr, nullptr, at);
}
// Lanes shuffle within segments of `width` (PTX ISA, shfl.sync); outside of its segment a lane keeps its own value.
template <class T>
T __shfl_sync(unsigned mask, T value, int source, int width = 32, qlora::emu::At at = qlora::emu::At::current()) {
  const int segment = int(qlora::emu::self->lane) & ~(width - 1);
  return qlora::emu::exchange(mask, value, segment + (source & (width - 1)), at);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int lanes, int width = 32, qlora::emu::At at = qlora::emu::At::current()) {
  const int lane = int(qlora::emu::self->lane), source = lane ^ lanes;
  return qlora::emu::exchange(mask, value, source > (lane | (width - 1)) ? -1 : source, at);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32, qlora::emu::At at = qlora::emu::At::current()) {
  const int lane = int(qlora::emu::self->lane), source = lane + int(delta);
  return qlora::emu::exchange(mask, value, source > (lane | (width - 1)) ? -1 : source, at);
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32, qlora::emu::At at = qlora::emu::At::current()) {
  const int lane = int(qlora::emu::self->lane), source = lane - int(delta);
  return qlora::emu::exchange(mask, value, source < (lane & ~(width - 1)) ? -1 : source, at);
}
inline unsigned __ballot_sync(unsigned mask, int predicate, qlora::emu::At at = qlora::emu::At::current()) {
  const unsigned bit = predicate ? 1u << qlora::emu::self->lane : 0;
  return qlora::emu::reduce(mask, bit, [](unsigned a, unsigned b) { return a | b; }, at);
}
inline int __any_sync(unsigned mask, int predicate, qlora::emu::At at = qlora::emu::At::current()) {
  return __ballot_sync(mask, predicate, at) != 0;
}
inline int __all_sync(unsigned mask, int predicate, qlora::emu::At at = qlora::emu::At::current()) {
  return __ballot_sync(mask, !predicate, at) == 0;
}
template <class T>
T __reduce_add_sync(unsigned mask, T value, qlora::emu::At at = qlora::emu::At::current()) {
  return qlora::emu::reduce(mask, value, [](T a, T b) { return a + b; }, at);
}
template <class T>
T __reduce_max_sync(unsigned mask, T value, qlora::emu::At at = qlora::emu::At::current()) {
  return qlora::emu::reduce(mask, value, [](T a, T b) { return a > b ? a : b; }, at);
}
template <class T>
T __reduce_min_sync(unsigned mask, T value, qlora::emu::At at = qlora::emu::At::current()) {
  return qlora::emu::reduce(mask, value, [](T a, T b) { return a < b ? a : b; }, at);
}
