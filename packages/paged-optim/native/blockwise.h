// blockwise.h: 8-bit codes of one block of at most 256 elements, decode and encode (part of kernels_*.cc). The maps are
// in dynamic_map.h.
#pragma once
#include "lookup.h"
#include "optim.h"

namespace qlora::QLORA_SIMD {

using optim::DynamicMap;

inline void decode(const uint8_t* codes, float absmax, const DynamicMap& map, float* x, int n) {
  const Decoder decoder(map);
  const vf scale = splat(absmax);
  int i = 0;
  for (; i + 4 * W <= n; i += 4 * W) {
    vf v[4];
    decoder(codes + i, v);
    for (int k = 0; k < 4; ++k) store(x + i + k * W, v[k] * scale);
  }
  for (; i < n; ++i) x[i] = map.value[codes[i]] * absmax;
}

// The map's numbers, held in registers over a block.
template <bool Signed>
struct Encoder {
  explicit Encoder(const DynamicMap& map)
      : level(map), slope(map.slope), offset(map.offset), end(map.end), midpoint(map.midpoint) {}

  // The magnitude nearest to x in [0, 1], exactly: ties go to the smaller.
  vi nearest(vf x) const {
    const vi l = level(x);
    const vf place = min(fma(x, slope[l], offset[l]), end[l]);
    vi q = __builtin_convertvector(place, vi);
    const vf part = place - __builtin_convertvector(q, vf);
    if (any_above(abs(part - 0.5f), splat(0.5f - optim::doubt))) [[unlikely]] {  // rounding may have crossed a midpoint
      for (int k = 0; k < W; ++k) {
        if (q[k] > 0 && !(x[k] > midpoint[q[k] - 1])) --q[k];
        else if (x[k] > midpoint[q[k]]) ++q[k];
      }
    }
    return q;
  }

  vi operator()(vf x) const {
    const vi one = vi{} + 0x3f800000, size = (vi)abs(x);
    const vi q = nearest((vf)(size < one ? size : one));  // x can be 1 + 1 ulp, and NaN must stay in the table
    if constexpr (!Signed) return q;
    const vi sign = (vi)x >> 31, c = ((q ^ sign) - sign) + 127;
    return c > 0 ? c : vi{};  // −1 has no code: the nearest is 0
  }

  Level level;
  Lookup8 slope, offset, end;
  const float* midpoint;
};

inline vi larger(vi a, vi b) { return a > b ? a : b; }
inline float bounded(int32_t bits) {
  bits = bits < 0x00800000 ? 0 : bits < 0x7f7fffff ? bits : 0x7f7fffff;
  float x;
  std::memcpy(&x, &bits, 4);
  return x;
}

template <bool Signed>
inline float encode_block(const float* x, const DynamicMap& map, uint8_t* codes, int n) {
  // Sizes compare like their bits. Infinite states (an overflowed second moment) count as the largest finite value, so
  // that their block still decodes; an absmax below the normal numbers counts as zero: its reciprocal could overflow.
  vi most{};
  int i = 0;
  for (; i + W <= n; i += W) most = larger(most, (vi)abs(load(x + i)));
  if (i < n) most = larger(most, (vi)abs(load_part(x + i, n - i)));
  const float absmax = bounded(largest(most));
  const vf inverse = splat(absmax > 0 ? 1 / absmax : 0);
  const Encoder<Signed> encoder(map);
  for (i = 0; i + W <= n; i += W) store_codes(codes + i, encoder(load(x + i) * inverse));
  if (i < n) {
    uint8_t rest[W];
    store_codes(rest, encoder(load_part(x + i, n - i) * inverse));
    std::memcpy(codes + i, rest, size_t(n - i));
  }
  return absmax;
}

inline float encode(const float* x, const DynamicMap& map, uint8_t* codes, int n) {
  return map.is_signed ? encode_block<true>(x, map, codes, n) : encode_block<false>(x, map, codes, n);
}

}  // namespace qlora::QLORA_SIMD
