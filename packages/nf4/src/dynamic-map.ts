// The 256 values of bitsandbytes' 8-bit dynamic map, bit for bit (its create_dynamic_map).

/**
 * For i = 0 … 6, [0.1, 1] is cut into 2^i (signed) or 2^(i+1) (unsigned) equal intervals whose midpoints, times 10^(i−6), are
 * values; signed adds their negatives; 0 and 1 complete the 256. Ascending.
 */
function create(signed: boolean): Float32Array {
  const values = [0, 1];
  for (let i = 0; i < 7; i++) {
    const points = linspace(0.1, 1, 2 ** (signed ? i : i + 1) + 1);
    const scale = Math.fround(10 ** (i - 6));
    for (let j = 0; j + 1 < points.length; j++) {
      const middle = Math.fround(Math.fround(points[j]! + points[j + 1]!) / 2);
      const value = Math.fround(middle * scale);
      values.push(value);
      if (signed) values.push(-value);
    }
  }
  return Float32Array.from(values).sort();
}

/** k f32 points from a to b as torch.linspace computes them: from both ends, with one rounding (fma) each. */
function linspace(a: number, b: number, k: number): Float32Array {
  const start = Math.fround(a);
  const step = Math.fround(Math.fround(b - start) / (k - 1));
  // step·j and the sum are exact in f64 here (24 + 8 bits, exponents close by), so one fround is one rounding.
  return Float32Array.from({ length: k }, (_, j) => (j < k / 2 ? step * j + start : b - step * (k - 1 - j)));
}

/** 127 negative values, 0, 128 positive ones up to 1; the least is −0.99296874. */
export const dynamicMapSigned: Float32Array = create(true);

/** 0 and 255 positive values up to 1. */
export const dynamicMapUnsigned: Float32Array = create(false);
