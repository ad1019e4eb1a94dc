// machine.h: what the machine itself can do, to measure the products by: fma of registers, and reading memory.
#pragma once
#include <cstdint>

#include "qlora/simd.h"

struct Machine {
  double (*fma)(int64_t rounds);                          // returns the operations done
  float (*read)(const float* data, int64_t floats);       // returns something that depends on all of them
};
