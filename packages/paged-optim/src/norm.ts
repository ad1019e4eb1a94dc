// The global norm of gradients: computed, checked, clipped to.
import { native } from "./native.js";
import type { Parameter } from "./types.js";

type Gradients = readonly Pick<Parameter, "name" | "grad">[];

/** Global L2 norm of all gradients, in f64; NaN or Infinity exactly when an element of one is not finite. */
export function gradNorm(parameters: Gradients): number {
  return Math.sqrt(parameters.reduce((sum, { grad }) => sum + native.sumSquares(grad), 0));
}

/** The name of the first parameter whose gradient has an element that is not finite. */
export function firstNonFinite(parameters: Gradients): string | undefined {
  return parameters.find(({ grad }) => !Number.isFinite(native.sumSquares(grad)))?.name;
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
  if (factor < 1 && Number.isFinite(norm)) for (const { grad } of parameters) native.scale(grad, factor);
  return norm;
}
