// What products are compared with: float64 sums of what is multiplied.

/** f32 sums of products of bf16: only their order differs from float64's. */
export const F32_SUMS = 2e-6;
/** A result rounded to bf16: at most 2^-9 of each element. */
export const BF16_RESULT = 2 ** -8;

export const widen = (x: Uint16Array) => new Float32Array(Uint32Array.from(x, (bits) => bits << 16).buffer);

/** x [m, k]·wᵀ, or transposed x [m, n]·w, with w [n, k]. */
export function exactProduct(
  transposed: boolean,
  x: Float32Array,
  w: Float32Array,
  n: number,
  k: number,
): Float64Array {
  const m = x.length / (transposed ? n : k);
  const out = new Float64Array(m * (transposed ? k : n));
  for (let i = 0; i < m; i++)
    for (let j = 0; j < n; j++)
      for (let l = 0; l < k; l++)
        if (transposed) out[i * k + l]! += x[i * n + j]! * w[j * k + l]!;
        else out[i * n + j]! += x[i * k + l]! * w[j * k + l]!;
  return out;
}

/** ‖a − b‖ / ‖b‖ */
export function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let error = 0;
  let norm = 0;
  for (let i = 0; i < b.length; i++) {
    error += (a[i]! - b[i]!) ** 2;
    norm += b[i]! ** 2;
  }
  return Math.sqrt(error / (norm || 1));
}
