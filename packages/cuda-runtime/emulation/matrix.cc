// matrix.cc: the warp-wide matrix instructions: ldmatrix and mma.sync. Fragment layouts: PTX ISA, "Matrix Fragments for
// mma.m16n8k16" and "…k32", "ldmatrix". With g = lane / 4 and t = lane % 4, a lane holds of an m16n8 result the elements
// (g, 2t), (g, 2t+1), (g+8, 2t), (g+8, 2t+1).
#include <bit>
#include <cstring>

#include "engine.h"
#include "qlora/cuda/emu_matrix.h"

namespace qlora::emu {
namespace {

float low(uint32_t pair) { return std::bit_cast<float>(pair << 16); }
float high(uint32_t pair) { return std::bit_cast<float>(pair & 0xffff0000u); }

void need_all(uint32_t lanes, const char* what) {
  if (lanes != ~0u) fail(At(), "%s needs all 32 lanes, got %08x", what, lanes);
}

void mma_bf16_all(void** arguments, uint32_t lanes) {
  need_all(lanes, "mma.sync");
  float a[16][16], b[16][8], c[16][8];
  for (int lane = 0; lane < 32; ++lane) {
    const auto& s = *static_cast<Mma*>(arguments[lane]);
    const auto* accumulator = static_cast<const float*>(s.accumulator);
    const int g = lane / 4, t = lane % 4 * 2;
    for (int i = 0; i < 4; ++i) {  // register i: rows g + 8·(i & 1), columns t + 8·(i >> 1)
      a[g + 8 * (i & 1)][t + 8 * (i >> 1)] = low(s.a[i]);
      a[g + 8 * (i & 1)][t + 8 * (i >> 1) + 1] = high(s.a[i]);
    }
    for (int i = 0; i < 2; ++i) b[t + 8 * i][g] = low(s.b[i]), b[t + 8 * i + 1][g] = high(s.b[i]);
    for (int i = 0; i < 4; ++i) c[g + 8 * (i >> 1)][t + (i & 1)] = accumulator[i];
  }
  for (int i = 0; i < 16; ++i)
    for (int k = 0; k < 16; ++k)
      for (int j = 0; j < 8; ++j) c[i][j] += a[i][k] * b[k][j];
  for (int lane = 0; lane < 32; ++lane) {
    auto* accumulator = static_cast<float*>(static_cast<Mma*>(arguments[lane])->accumulator);
    const int g = lane / 4, t = lane % 4 * 2;
    for (int i = 0; i < 4; ++i) accumulator[i] = c[g + 8 * (i >> 1)][t + (i & 1)];
  }
}

void mma_s8_all(void** arguments, uint32_t lanes) {
  need_all(lanes, "mma.sync");
  int a[16][32], b[32][8], c[16][8];
  auto byte = [](uint32_t packed, int i) { return int(int8_t(packed >> (8 * i))); };
  for (int lane = 0; lane < 32; ++lane) {
    const auto& s = *static_cast<Mma*>(arguments[lane]);
    const auto* accumulator = static_cast<const int*>(s.accumulator);
    const int g = lane / 4, t = lane % 4;
    for (int i = 0; i < 4; ++i)
      for (int j = 0; j < 4; ++j) a[g + 8 * (i & 1)][4 * t + 16 * (i >> 1) + j] = byte(s.a[i], j);
    for (int i = 0; i < 2; ++i)
      for (int j = 0; j < 4; ++j) b[4 * t + 16 * i + j][g] = byte(s.b[i], j);
    for (int i = 0; i < 4; ++i) c[g + 8 * (i >> 1)][2 * t + (i & 1)] = accumulator[i];
  }
  for (int i = 0; i < 16; ++i)
    for (int k = 0; k < 32; ++k)
      for (int j = 0; j < 8; ++j) c[i][j] += a[i][k] * b[k][j];
  for (int lane = 0; lane < 32; ++lane) {
    auto* accumulator = static_cast<int*>(static_cast<Mma*>(arguments[lane])->accumulator);
    const int g = lane / 4, t = lane % 4;
    for (int i = 0; i < 4; ++i) accumulator[i] = c[g + 8 * (i >> 1)][2 * t + (i & 1)];
  }
}

// `count` 8×8 matrices of 16-bit elements: lane 8m + r gives the address of row r of matrix m.
template <int count, bool transposed>
void ldmatrix_all(void** arguments, uint32_t lanes) {
  need_all(lanes, "ldmatrix");
  uint16_t m[count][8][8];
  for (int i = 0; i < count; ++i) {
    uint32_t banks = 0;
    for (int r = 0; r < 8; ++r) {
      const auto& s = *static_cast<Ldmatrix*>(arguments[8 * i + r]);
      const auto address = reinterpret_cast<uintptr_t>(s.row);
      const uint32_t bank = 1u << (address / 16 % 8);  // eight rows of 16 bytes fill the 32 banks once if all differ
      if (banks & bank) count_bank_conflict();
      banks |= bank;
      std::memcpy(m[i][r], s.row, 16);
    }
  }
  for (int lane = 0; lane < 32; ++lane) {
    auto& s = *static_cast<Ldmatrix*>(arguments[lane]);
    const int g = lane / 4, t = lane % 4 * 2;
    for (int i = 0; i < count; ++i)
      s.result[i] = transposed ? m[i][t][g] | uint32_t(m[i][t + 1][g]) << 16 : m[i][g][t] | uint32_t(m[i][g][t + 1]) << 16;
  }
}

}  // namespace

void mma_bf16(Mma& mma, At at) { collective(~0u, &mma, mma_bf16_all, at); }
void mma_s8(Mma& mma, At at) { collective(~0u, &mma, mma_s8_all, at); }
void ldmatrix(Ldmatrix& load, int count, bool transposed, At at) {
  if (self->lane < unsigned(8 * count)) {
    if (reinterpret_cast<uintptr_t>(load.row) % 16) fail(at, "ldmatrix: the row is not aligned to 16 bytes");
    note_access(load.row, 16, false, __builtin_return_address(0));
  }
  static constexpr Combine all[2][3] = {{ldmatrix_all<1, false>, ldmatrix_all<2, false>, ldmatrix_all<4, false>},
                                        {ldmatrix_all<1, true>, ldmatrix_all<2, true>, ldmatrix_all<4, true>}};
  collective(~0u, &load, all[transposed][count / 2], at);
}

}  // namespace qlora::emu
