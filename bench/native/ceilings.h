// ceilings.h: what the machine itself can do: multiply-adds in registers, of floats and of bytes, and streams of memory.
#pragma once
#include <cstdint>

struct Ceilings {
  // 2 · W · chains · iterations floating-point operations in registers; the result only keeps them alive.
  double (*fma)(int64_t iterations);
  int64_t flops_per_iteration;
  // Likewise of bytes, summed in 32 bits: vpdpbusd, or with AVX2 vpmaddubsw and vpmaddwd. 0 where the set has neither.
  int64_t (*int8)(int64_t iterations);
  int64_t int8_per_iteration;
  float (*read)(const float* x, int64_t n);
  void (*write)(float* y, int64_t n, float value);      // past the cache where the set can (non-temporal)
  void (*copy)(const float* x, float* y, int64_t n);    // likewise
};
