// The 256 values of an 8-bit code, signed and unsigned, as bitsandbytes' create_dynamic_map makes them (Dettmers et al. 2022,
// "8-bit Optimizers via Block-wise Quantization"), and the nearest of them.
const f = Math.fround;

/** Point j of k equally spaced points from 0.1 to 1 as torch.linspace computes it. The sums are exact in f64: one rounding. */
function point(j: number, k: number): number {
  const step = f(f(1 - f(0.1)) / (k - 1));
  return j < Math.floor(k / 2) ? f(step * j + f(0.1)) : f(1 - step * (k - 1 - j));
}

function magnitudes(signed: boolean): number[] {
  const result = [0];
  for (let i = 0; i < 7; ++i) {
    const parts = (signed ? 1 : 2) << i;
    for (let j = 0; j < parts; ++j)
      result.push(f(f(f(point(j, parts + 1) + point(j + 1, parts + 1)) / 2) * f(10 ** (i - 6))));
  }
  result.push(1);
  return result;
}

const sorted = [false, true].map((signed) => {
  const positive = magnitudes(signed);
  const values = signed
    ? [
        ...positive
          .slice(1, -1)
          .map((v) => -v)
          .reverse(),
        ...positive,
      ]
    : positive;
  return {
    values: Float32Array.from(values),
    midpoints: positive.slice(1).map((v, q) => f(f(v + positive[q]!) * 0.5)),
  };
});

/** The values by code, ascending: signed −0.993 … 1 with 0 at 127, unsigned 0 … 1. */
export const map = (signed: boolean): Float32Array => sorted[Number(signed)]!.values;

/** Code of the value nearest to x, |x| ≤ 1; ties go towards zero. */
export function encodeNearest(x: number, signed: boolean): number {
  const { midpoints } = sorted[Number(signed)]!;
  const size = Math.abs(Number.isNaN(x) ? 1 : x);
  let low = 0; // how many midpoints lie below
  for (let high = midpoints.length; low < high; ) {
    const middle = (low + high) >> 1;
    if (size > midpoints[middle]!) low = middle + 1;
    else high = middle;
  }
  if (!signed) return low;
  return x < 0 ? Math.max(0, 127 - low) : 127 + low;
}
