// RMSNorm and its backward.
import { native } from "./native.js";

/**
 * `y = x · invRms · weight`, `invRms = 1 / √(mean(x²) + eps)` of each row (arXiv 1910.07467).
 * @param x `[m, d]` @param weight `[d]` @param y `[m, d]`, may be `x` @param invRms `[m]`, kept for the backward
 * @throws {TypeError | RangeError} naming the argument, when a type or a length is wrong; so do all functions here.
 */
export function rmsNorm(
  x: Float32Array,
  weight: Float32Array,
  y: Float32Array,
  invRms: Float32Array,
  { m, d, eps }: { m: number; d: number; eps: number },
): void {
  native.rmsNorm(m, d, eps, x, weight, y, invRms);
}

/**
 * `dx += invRms · (dy·weight − x · invRms² · mean(dy·weight·x))`, `dweight += Σ rows dy · x · invRms`.
 * @param dy `[m, d]` @param x `[m, d]` @param weight `[d]` @param invRms `[m]` of the forward @param dx `[m, d]`, added
 * to
 * @param dweight `[d]`, added to; null where the weight is frozen
 */
export function rmsNormBackward(
  dy: Float32Array,
  x: Float32Array,
  weight: Float32Array,
  invRms: Float32Array,
  dx: Float32Array,
  dweight: Float32Array | null,
  { m, d }: { m: number; d: number },
): void {
  native.rmsNormBackward(m, d, dy, x, weight, invRms, dx, dweight);
}
