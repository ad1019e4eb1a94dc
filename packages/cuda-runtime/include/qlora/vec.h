// vec.h: one register of floats of the instruction set that the including file is compiled for.
//
// Kernels are written once with these and compiled once per instruction set (addon.cmake); everything lives in
// namespace qlora::QLORA_SIMD so that the copies never meet. Arithmetic (+ - * / < > ?:) is the compiler's own on vectors;
// below is what it lacks. All reductions have one fixed order, so a result depends on the instruction set, never on threads.
#pragma once
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#if defined(__AVX2__)
#include <immintrin.h>
#if defined(__AVX512F__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // false alarms within immintrin.h: GCC bug 105593
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif
#ifndef QLORA_SIMD
#error "vec.h belongs in files named *_scalar.cc, *_avx2.cc, *_avx512.cc or *_neon.cc (see addon.cmake)"
#endif

namespace qlora::QLORA_SIMD {

#if defined(__AVX512F__)
inline constexpr int W = 16;
#elif defined(__AVX2__)
inline constexpr int W = 8;
#else
inline constexpr int W = 4;
#endif

typedef float vf __attribute__((vector_size(W * 4)));
typedef int32_t vi __attribute__((vector_size(W * 4)));
typedef uint32_t vu __attribute__((vector_size(W * 4)));
typedef uint16_t vh __attribute__((vector_size(W * 2)));

// a·b + c in one rounding where the set has it (AVX2, AVX-512, NEON), in two on scalar.
#if defined(__AVX512F__)
inline vf fma(vf a, vf b, vf c) { return (vf)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c); }
inline vf sqrt(vf a) { return (vf)_mm512_sqrt_ps((__m512)a); }
inline vf load_part(const float* p, int n) { return (vf)_mm512_maskz_loadu_ps(__mmask16((1u << n) - 1), p); }
inline void store_part(float* p, vf v, int n) { _mm512_mask_storeu_ps(p, __mmask16((1u << n) - 1), (__m512)v); }
inline __m512i load_bytes(const uint8_t* p) { return _mm512_loadu_si512(p); }
#else
#if defined(__AVX2__)
inline vf fma(vf a, vf b, vf c) { return (vf)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c); }
inline vf sqrt(vf a) { return (vf)_mm256_sqrt_ps((__m256)a); }
inline __m256i load_bytes(const uint8_t* p) { return _mm256_loadu_si256((const __m256i*)p); }
#elif defined(__ARM_NEON)
inline vf fma(vf a, vf b, vf c) { return (vf)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b); }
inline vf sqrt(vf a) { return (vf)vsqrtq_f32((float32x4_t)a); }
#else
inline vf fma(vf a, vf b, vf c) { return a * b + c; }
inline vf sqrt(vf a) {
  for (int i = 0; i < W; ++i) a[i] = std::sqrt(a[i]);
  return a;
}
#endif
inline vf load_part(const float* p, int n) {  // the first n < W lanes, zeros after
  vf v{};
  std::memcpy(&v, p, size_t(n) * 4);
  return v;
}
inline void store_part(float* p, vf v, int n) { std::memcpy(p, &v, size_t(n) * 4); }
#endif

// Asks for a cache line that will be read once, into the second cache: in the first it would push out what is in use.
inline void prefetch(const void* p) { __builtin_prefetch(p, 0, 2); }

inline vf load(const float* p) {
  vf v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
inline void store(float* p, vf v) { std::memcpy(p, &v, sizeof v); }
inline vf splat(float x) { return x - vf{}; }  // x − 0 is x, −0 too, so this is one broadcast
inline vf max(vf a, vf b) { return a > b ? a : b; }
inline vf min(vf a, vf b) { return a < b ? a : b; }
inline vf abs(vf a) { return (vf)((vu)a & 0x7fffffffu); }

// bf16 (the upper half of an f32) widened exactly.
inline vf widen(const uint16_t* p) {
  vh h;
  std::memcpy(&h, p, sizeof h);
  return (vf)(__builtin_convertvector(h, vu) << 16);
}

inline float reduce_add(vf v) {
  float t[W];
  std::memcpy(t, &v, sizeof v);
  for (int n = W / 2; n; n /= 2)
    for (int i = 0; i < n; ++i) t[i] += t[i + n];
  return t[0];
}
inline float reduce_max(vf v) {
  float t[W];
  std::memcpy(t, &v, sizeof v);
  for (int i = 1; i < W; ++i) t[0] = t[i] > t[0] ? t[i] : t[0];
  return t[0];
}

// The largest of magnitudes that are given by their bits, in which a NaN exceeds every number.
inline float largest_of(vi bits) {
  int32_t most = bits[0];
  for (int i = 1; i < W; ++i) most = bits[i] > most ? bits[i] : most;
  float largest;
  std::memcpy(&largest, &most, 4);
  return largest;
}

// e^x to about 2 ulp: x = n·ln2 + r, a degree-6 polynomial in r (Cephes expf), 0 below -87.3, +inf above 88.7.
inline vf exp(vf x) {
  const vf low = splat(-87.33654f), high = splat(88.72283f);
  vf c = min(max(x, low), high);
  vf n = fma(c, splat(1.44269504088896341f), splat(12582912.0f)) - 12582912.0f;  // round to nearest by the magic number
  vf r = fma(n, splat(-0.693359375f), c);
  r = fma(n, splat(2.12194440e-4f), r);
  vf p = splat(1.9875691500e-4f);
  p = fma(p, r, splat(1.3981999507e-3f));
  p = fma(p, r, splat(8.3334519073e-3f));
  p = fma(p, r, splat(4.1665795894e-2f));
  p = fma(p, r, splat(1.6666665459e-1f));
  p = fma(p, r, splat(5.0000001201e-1f));
  p = fma(p * r, r, r + 1.0f);
  vi k = __builtin_convertvector(n, vi);
  vi half = k >> 1;  // two factors, since 2^128 and subnormal scales do not fit in one
  vf y = p * (vf)((half + 127) << 23) * (vf)((k - half + 127) << 23);
  y = x < low ? vf{} : y;
  y = x > high ? splat(std::numeric_limits<float>::infinity()) : y;
  return x != x ? x : y;
}

}  // namespace qlora::QLORA_SIMD
