// emu_intrinsics.h: arithmetic, bit, memory and atomic intrinsics of CUDA for a C++ compiler.
// Fast-math ones are computed exactly rounded where C++ is, so they differ from a GPU's by its few ulp.
#pragma once
#include <bit>
#include <cmath>
#include <cstdint>
#include <type_traits>

#include "emu_engine.h"

inline float __expf(float x) { return std::exp(x); }
inline float __exp2f(float x) { return std::exp2(x); }
inline float __logf(float x) { return std::log(x); }
inline float __log2f(float x) { return std::log2(x); }
inline float __sinf(float x) { return std::sin(x); }
inline float __cosf(float x) { return std::cos(x); }
inline float __fdividef(float a, float b) { return a / b; }
inline float __frcp_rn(float x) { return 1.0f / x; }
inline float __fsqrt_rn(float x) { return std::sqrt(x); }
inline float __fmaf_rn(float a, float b, float c) { return std::fma(a, b, c); }
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline float __saturatef(float x) { return x > 0 ? (x < 1 ? x : 1) : 0; }
inline float rsqrtf(float x) { return 1.0f / std::sqrt(x); }
inline int __float2int_rn(float x) { return int(std::nearbyint(x)); }
inline int __float2int_rz(float x) { return int(x); }
inline float __int2float_rn(int x) { return float(x); }

inline int min(int a, int b) { return a < b ? a : b; }
inline unsigned min(unsigned a, unsigned b) { return a < b ? a : b; }
inline long long min(long long a, long long b) { return a < b ? a : b; }
inline long min(long a, long b) { return a < b ? a : b; }
inline float min(float a, float b) { return std::fmin(a, b); }
inline int max(int a, int b) { return a > b ? a : b; }
inline unsigned max(unsigned a, unsigned b) { return a > b ? a : b; }
inline long long max(long long a, long long b) { return a > b ? a : b; }
inline long max(long a, long b) { return a > b ? a : b; }
inline float max(float a, float b) { return std::fmax(a, b); }

inline int __float_as_int(float x) { return std::bit_cast<int>(x); }
inline unsigned __float_as_uint(float x) { return std::bit_cast<unsigned>(x); }
inline float __int_as_float(int x) { return std::bit_cast<float>(x); }
inline float __uint_as_float(unsigned x) { return std::bit_cast<float>(x); }
inline int __popc(unsigned x) { return std::popcount(x); }
inline int __clz(int x) { return std::countl_zero(unsigned(x)); }
inline int __ffs(int x) { return x ? std::countr_zero(unsigned(x)) + 1 : 0; }
inline unsigned __umulhi(unsigned a, unsigned b) { return unsigned(uint64_t(a) * b >> 32); }
// Four bytes picked out of the eight of b:a; a selector of 8 and up repeats the sign bit (PTX ISA, prmt).
inline unsigned __byte_perm(unsigned a, unsigned b, unsigned selectors) {
  const uint64_t from = uint64_t(b) << 32 | a;
  unsigned result = 0;
  for (int i = 0; i < 4; ++i) {
    const unsigned selector = selectors >> (4 * i) & 15;
    unsigned byte = unsigned(from >> (8 * (selector & 7))) & 255;
    if (selector & 8) byte = byte & 128 ? 255 : 0;
    result |= byte << (8 * i);
  }
  return result;
}
inline int __dp4a(int a, int b, int sum) {
  for (int i = 0; i < 4; ++i) sum += int(int8_t(a >> (8 * i))) * int(int8_t(b >> (8 * i)));
  return sum;
}

template <class T> T __ldg(const T* p) { return *p; }
template <class T> T __ldcg(const T* p) { return *p; }
template <class T> T __ldcs(const T* p) { return *p; }
template <class T> void __stcg(T* p, T value) { *p = value; }
template <class T> void __stcs(T* p, T value) { *p = value; }

__attribute__((no_sanitize("thread"))) inline void __threadfence() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
inline void __threadfence_block() {}
inline void __nanosleep(unsigned) { qlora::emu::yield(); }
[[noreturn]] inline void __trap(qlora::emu::At at = qlora::emu::At::current()) { qlora::emu::fail(at, "__trap()"); }

// By compare and swap of the bits. Not seen by the race detector: atomics do not race with each other.
template <class T, class F>
__attribute__((no_sanitize("thread"))) T atomic_update(T* p, F f) {
  static_assert(sizeof(T) == 4 || sizeof(T) == 8, "atomics are of 4 or 8 bytes");
  using Bits = std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t>;
  Bits* at = reinterpret_cast<Bits*>(p);
  Bits old = __atomic_load_n(at, __ATOMIC_RELAXED);
  while (!__atomic_compare_exchange_n(at, &old, std::bit_cast<Bits>(T(f(std::bit_cast<T>(old)))), true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
  }
  return std::bit_cast<T>(old);
}
template <class T> T atomicAdd(T* p, std::type_identity_t<T> x) { return atomic_update(p, [&](T old) { return T(old + x); }); }
template <class T> T atomicMax(T* p, std::type_identity_t<T> x) { return atomic_update(p, [&](T old) { return old > x ? old : x; }); }
template <class T> T atomicMin(T* p, std::type_identity_t<T> x) { return atomic_update(p, [&](T old) { return old < x ? old : x; }); }
template <class T> T atomicOr(T* p, std::type_identity_t<T> x) { return atomic_update(p, [&](T old) { return T(old | x); }); }
template <class T> T atomicAnd(T* p, std::type_identity_t<T> x) { return atomic_update(p, [&](T old) { return T(old & x); }); }
template <class T> T atomicExch(T* p, std::type_identity_t<T> x) { return atomic_update(p, [&](T) { return x; }); }
template <class T> T atomicCAS(T* p, std::type_identity_t<T> expected, std::type_identity_t<T> x) {
  return atomic_update(p, [&](T old) { return old == expected ? x : old; });
}
