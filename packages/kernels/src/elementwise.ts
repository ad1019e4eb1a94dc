// What works on arrays element by element: sums, scaling, dropout, bf16.
import { type DeviceArray, type Floats, type Halves, operations } from "./cuda.js";

/** `y += x`, both `[n]`. */
export function add(x: Floats, y: Floats, { n }: { n: number }): void {
  operations(x).add(n, x, y);
}

/** `x *= a`, `[n]`. */
export function scale(x: Floats, a: number, { n }: { n: number }): void {
  operations(x).scale(n, a, x);
}

/** `Σ x²` in float64, in an order that `n` alone determines. */
export function sumSquares(x: Float32Array, options: { n: number }): number;
/** On a device `sums[0]` becomes the sum, in f32. @param options.sums f32, `[256]`; the rest of it is scratch */
export function sumSquares(x: DeviceArray, options: { n: number; sums: DeviceArray }): undefined;
export function sumSquares(x: Floats, { n, sums }: { n: number; sums?: DeviceArray }): number | undefined {
  return operations(x).sumSquares(n, x, ...(sums ? [sums] : []));
}

export interface DropoutOptions {
  n: number;
  /** Probability of a zero, 0 ≤ p < 1. */
  p: number;
  /** 64 bits: a bigint, or its high and low 32 bits. */
  seed: bigint | readonly [high: number, low: number];
  /** Place of element 0 in the stream of the seed, in elements. */
  offset?: number;
  /** Add to `y` instead of overwriting it. */
  accumulate?: boolean;
}

/**
 * `y = x · keep / (1 − p)`, where `keep` is a pure function of the seed and of `offset + i`: the same call on dy is the
 * backward, and any piece of a tensor can be done alone. `y` may be `x`.
 *
 * Element j of a seed's stream is kept when its word is ≥ round(p · 2³²), at most 2³² − 1. The word is number `(j >> 4) & 3` of the
 * Philox4x32-10 block with counter `(c mod 2³², c >> 32, 0, 0)`, `c = (j >> 6) · 16 + (j & 15)`, and key `(low, high)`
 * halves of the seed.
 */
export function dropout(x: Floats, y: Floats, { n, p, seed, offset = 0, accumulate = false }: DropoutOptions): void {
  const [high, low] =
    typeof seed === "bigint" ? [Number((seed >> 32n) & 0xffffffffn), Number(seed & 0xffffffffn)] : seed;
  operations(x).dropout(n, p, high, low, offset, accumulate, x, y);
}

/** float32 to bf16, to nearest, ties to even; NaN stays NaN. Both `[n]`. */
export function toBf16(x: Floats, y: Halves, { n }: { n: number }): void {
  operations(x).toBf16(n, x, y);
}

/** bf16 to float32, exact. Both `[n]`. */
export function fromBf16(x: Halves, y: Floats, { n }: { n: number }): void {
  operations(x).fromBf16(n, x, y);
}
