// RMSNorm and its backward.
import { type Floats, operations } from "./cuda.js";

/**
 * `y = x · invRms · weight`, `invRms = 1 / √(mean(x²) + eps)` of each row (arXiv 1910.07467).
 * @param x `[m, d]` @param weight `[d]` @param y `[m, d]`, may be `x` @param invRms `[m]`, kept for the backward
 * @throws {TypeError | RangeError} naming the argument, when a type or a length is wrong; so do all functions here.
 */
export function rmsNorm(
  x: Floats,
  weight: Floats,
  y: Floats,
  invRms: Floats,
  { m, d, eps }: { m: number; d: number; eps: number },
): void {
  operations(x).rmsNorm(m, d, eps, x, weight, y, invRms);
}

/**
 * `dx += invRms · (dy·weight − x · invRms² · mean(dy·weight·x))`, `dweight += Σ rows dy · x · invRms`.
 * @param dy `[m, d]` @param x `[m, d]` @param weight `[d]` @param invRms `[m]` of the forward @param dx `[m, d]`, added
 * to
 * @param dweight `[d]`, added to; null where the weight is frozen
 */
export function rmsNormBackward(
  dy: Floats,
  x: Floats,
  weight: Floats,
  invRms: Floats,
  dx: Floats,
  dweight: Floats | null,
  { m, d }: { m: number; d: number },
): void {
  operations(dy).rmsNormBackward(m, d, dy, x, weight, invRms, dx, dweight);
}
