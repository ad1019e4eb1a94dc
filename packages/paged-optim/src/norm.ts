// The global norm of gradients: computed, checked, clipped to.
import { allocArray, type DeviceArray } from "@qlora/cuda-runtime";
import { cudaKernels, onDevice } from "./cuda.js";
import { native } from "./native.js";
import type { Parameter } from "./types.js";

type Gradients = readonly Pick<Parameter, "name" | "grad">[];

/** Σ x² of each gradient, in f64. On a device all are queued before the sums are read back, which waits for the device once. */
function sumsOfSquares(parameters: Gradients): number[] {
  const gradients = parameters.map(({ grad }) => grad);
  const first = gradients[0];
  if (first === undefined || !onDevice(first)) return gradients.map((x) => native.sumSquares(x as Float32Array));
  const { sumSquares, sumBytes } = cudaKernels(first.device);
  using scratch = allocArray("u8", sumBytes + 8 * gradients.length, { device: first.device, label: "gradient norm" });
  const sums = scratch.subarray(sumBytes);
  for (const [i, x] of gradients.entries()) sumSquares(x as DeviceArray, scratch, sums.subarray(8 * i, 8 * i + 8));
  return [...new Float64Array(sums.toHost().buffer)];
}

/**
 * Global L2 norm of all gradients, in f64; NaN or Infinity exactly when an element of one is not finite. Gradients on a device
 * are waited for.
 */
export function gradNorm(parameters: Gradients): number {
  return Math.sqrt(sumsOfSquares(parameters).reduce((sum, x) => sum + x, 0));
}

/** The name of the first parameter whose gradient has an element that is not finite. */
export function firstNonFinite(parameters: Gradients): string | undefined {
  return parameters[sumsOfSquares(parameters).findIndex((sum) => !Number.isFinite(sum))]?.name;
}

/** What to multiply gradients of this norm with so that it becomes at most `maxNorm`; as torch.nn.utils.clip_grad_norm_. */
export function clipFactor(norm: number, maxNorm: number): number {
  return Math.min(1, maxNorm / (norm + 1e-6));
}

/**
 * Scales all gradients in place so that their global L2 norm is at most `maxNorm`, and returns the norm they had. They stay as
 * they are when it is not finite. An optimiser's `step({ maxNorm })` does the same without the extra pass over memory.
 */
export function clipGradNorm(parameters: Gradients, maxNorm: number): number {
  if (!(maxNorm > 0)) throw new RangeError(`maxNorm must be > 0, got ${maxNorm}`);
  const norm = gradNorm(parameters);
  const factor = clipFactor(norm, maxNorm);
  if (factor < 1 && Number.isFinite(norm))
    for (const { grad } of parameters) {
      if (onDevice(grad)) cudaKernels(grad.device).scale(grad, factor);
      else native.scale(grad, factor);
    }
  return norm;
}
