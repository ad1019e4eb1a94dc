// LoRA+ (Hayou et al. 2024): the B matrices of adapters learn faster than the A matrices.
import type { Parameter } from "./types.js";

export interface LoraPlusOptions {
  /** Learning rate of A and of everything that is not B. */
  lr: number;
  /** Learning rate of B divided by `lr`, ≥ 1. Default 16. */
  ratio?: number;
  /** Which parameters are B. Default: those with "lora_B" or "lora_embedding_B" in their name. */
  isB?: (name: string) => boolean;
}

/** Two groups for an optimiser with the same `lr`: everything else, then the B matrices at `lr · ratio`. */
export function loraPlusGroups(
  parameters: readonly Parameter[],
  { lr, ratio = 16, isB = (name) => /lora_(embedding_)?B/.test(name) }: LoraPlusOptions,
): { parameters: Parameter[]; lr: number }[] {
  if (!(lr > 0 && Number.isFinite(lr))) throw new RangeError(`lr must be finite and > 0, got ${lr}`);
  if (!(ratio >= 1 && Number.isFinite(ratio))) throw new RangeError(`ratio must be finite and ≥ 1, got ${ratio}`);
  const b = parameters.filter(({ name }) => isB(name));
  if (b.length === 0) throw new TypeError(`none of ${parameters.length} parameters is a B matrix`);
  return [
    { parameters: parameters.filter(({ name }) => !isB(name)), lr },
    { parameters: b, lr: lr * ratio },
  ];
}
