// exp2.h: 2^x for exponents below 128, all that a softmax or a sigmoid asks for, so shorter than exp() of vec.h.
#pragma once
#include "qlora/vec.h"

namespace qlora::QLORA_SIMD {

constexpr float log2_e = 1.44269504088896341f, ln_2 = 0.69314718055994531f;

// For x ≤ 127 or NaN; 0 for x ≤ -126. x = n + r with n whole, a polynomial of least relative error (2e-9) on |r| ≤ 1/2,
// times 2^n: about 1 ulp, and 2^0 is 1 exactly.
inline vf exp2(vf x) {
  const vf low = splat(-126.0f);
  const vf c = low > x ? low : x;
  const vf magic = c + 12582912.0f;  // 1.5 · 2^23: rounds to a whole number, kept in the low bits
  const vf r = c - (magic - 12582912.0f);
  vf p = splat(1.5353362e-4f);
  p = fma(p, r, splat(1.3398875e-3f));
  p = fma(p, r, splat(9.6184369e-3f));
  p = fma(p, r, splat(5.5503324e-2f));
  p = fma(p, r, splat(2.4022648e-1f));
  p = fma(p, r, splat(6.9314718e-1f));
  p = fma(p, r, splat(1.0f));
  const vf y = p * (vf)(((vu)magic << 23) + 0x3f800000u);
  return x <= low ? vf{} : y;
}

}  // namespace qlora::QLORA_SIMD
