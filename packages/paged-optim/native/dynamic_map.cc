// dynamic_map.cc: builds the two maps and what the CPU's kernels need to search them.
#include "dynamic_map.h"

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

#include "magnitudes.h"

namespace qlora::optim {
namespace {

DynamicMap build(bool is_signed) {
  DynamicMap map{};
  map.is_signed = is_signed;
  float magnitude[257] = {0};
  const int last = last_magnitude(is_signed);
  for (int q = 0; q <= last; ++q) magnitude[q] = optim::magnitude(q, is_signed);
  int first[8];
  for (int i = 0; i < 8; ++i) first[i] = first_of_decade(i, is_signed);

  for (int c = 0; c < 256; ++c) {
    if (is_signed) map.value[c] = c < 127 ? -magnitude[127 - c] : magnitude[c - 127];
    else map.value[c] = magnitude[c];
    uint32_t bits;
    std::memcpy(&bits, &map.value[c], 4);
    for (int k = 0; k < 4; ++k) map.plane[k][c] = uint8_t(bits >> 8 * k);
    map.midpoint[c] = c < last ? (magnitude[c] + magnitude[c + 1]) * 0.5f : std::numeric_limits<float>::infinity();
  }

  for (int i = 0; i < 7; ++i) {
    // A line through two magnitudes of the decade that is q + 0.5 at q: whole numbers at the midpoints. The first
    // decade has one or two magnitudes and shares its level with zero; there the line goes through its midpoints
    // themselves.
    const double low = i ? magnitude[first[i]] : map.midpoint[0];
    const double spacing = i ? double(magnitude[first[i] + 1]) - low : is_signed ? 2 * low : map.midpoint[1] - low;
    map.slope[i] = float(1 / spacing);
    map.offset[i] = float((i ? first[i] + 0.5 : 1.0) - low / spacing);
    map.end[i] = float(first[i + 1] - 1) + 0.5f;
    map.threshold[i] = map.midpoint[first[i + 1] - 1];
  }
  map.offset[7] = map.end[7] = float(last) + 0.5f;

  for (int i = 0; i < 32; ++i) {
    map.cut[i] = std::numeric_limits<float>::infinity();
    for (float threshold : map.threshold) {
      if (threshold >= std::ldexp(1.0f, i - 30)) continue;
      if (i > 0 && threshold < std::ldexp(1.0f, i - 31)) ++map.base[i];
      else map.cut[i] = threshold;
    }
  }
  return map;
}

}  // namespace

const DynamicMap& dynamic_map(bool is_signed) {
  static const DynamicMap maps[2] = {build(false), build(true)};
  return maps[is_signed];
}

}  // namespace qlora::optim
