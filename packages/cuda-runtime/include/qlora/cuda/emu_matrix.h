// emu_matrix.h: what the emulated matrix instructions take from a lane.
#pragma once
#include "emu_engine.h"

namespace qlora::emu {

struct Mma {
  const uint32_t* a;  // 4 registers
  const uint32_t* b;  // 2
  void* accumulator;  // 4 floats (bf16) or 4 int32 (s8), read and written
};
struct Ldmatrix {
  uint32_t* result;
  const void* row;
};
void mma_bf16(Mma& mma, At at);
void mma_s8(Mma& mma, At at);
void ldmatrix(Ldmatrix& load, int count, bool transposed, At at);  // count 1, 2 or 4

}  // namespace qlora::emu
