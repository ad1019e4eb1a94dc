// dynamic_map.h: the 256 values of an 8-bit code, signed or unsigned, as bitsandbytes' create_dynamic_map makes them
// (Dettmers et al. 2022, "8-bit Optimizers via Block-wise Quantization"), and what finding the nearest value takes.
//
// Magnitudes q = 0 … last: 0, then for i = 0 … 6 the midpoints of 2^i (signed) or 2^(i+1) (unsigned) equal parts of
// [0.1, 1], times 10^(i−6), then 1. Code of a signed value: 127 ± q (there is no −1: below zero q stops at 127);
// unsigned: q.
#pragma once

namespace qlora::optim {

struct DynamicMap {
  bool is_signed;
  alignas(64) float value[256];     // by code
  alignas(64) unsigned char plane[4][256];  // their bytes, lowest first
  alignas(64) float midpoint[256];  // between magnitudes q and q + 1; +inf after the last
  // Within a decade magnitudes are equally spaced, so the nearest is trunc(min(x·slope + offset, end)) with the numbers
  // of the level of x: how many of the seven thresholds (midpoints between decades) lie below it. Zero belongs to level
  // 0, 1 is alone in level 7.
  float threshold[7];
  alignas(64) float slope[8], offset[8], end[8];
  // The same by binade: x in [2^(i−31), 2^(i−30)), or below for i = 0, has level base[i], one more above cut[i].
  alignas(64) int base[32];
  alignas(64) float cut[32];
};

// x·slope + offset is this close to its exact value or closer: at most 256 units, of which f32 holds 2^-16.
inline constexpr float doubt = 0x1p-13f;

const DynamicMap& dynamic_map(bool is_signed);

}  // namespace qlora::optim
