// Merging an adapter into a dense weight, and taking it out again.
import { matmulTransposed } from "@qlora/kernels";
import type { Adapter } from "./adapter.js";

/**
 * weight [outFeatures, inFeatures] += s·B·A, in float32. The layer alone then gives what layer and adapter gave, up to rounding.
 * @throws {TypeError | RangeError} when weight is no Float32Array of that size
 */
export function mergeInto(weight: Float32Array, adapter: Adapter): void {
  addDelta(weight, adapter, adapter.scaling);
}

/**
 * weight -= s·B·A: undoes `mergeInto` up to rounding. Keep a copy where the old bits matter.
 * @throws {TypeError | RangeError} like `mergeInto`
 */
export function unmergeFrom(weight: Float32Array, adapter: Adapter): void {
  addDelta(weight, adapter, -adapter.scaling);
}

function addDelta(weight: Float32Array, { inFeatures, outFeatures, r, a, b }: Adapter, alpha: number): void {
  if (weight.length !== outFeatures * inFeatures)
    throw new RangeError(`weight must have ${outFeatures} × ${inFeatures} elements, got ${weight.length}`);
  matmulTransposed(b, a, weight, { m: outFeatures, n: r, k: inFeatures, alpha, accumulate: true });
}
