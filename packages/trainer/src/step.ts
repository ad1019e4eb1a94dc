// One optimiser step's worth of passes: gradients of the mean loss over all of its targets.
import { collate, type EncodedExample } from "@qlora/data";
import type { Runner } from "@qlora/transformer";

export interface AccumulateOptions {
  checkpointing: boolean;
  /** Dropout on the adapters' input. */
  dropout: number;
  /** With `step` and the pass's number it determines every dropout mask. */
  seed: number;
  step: number;
}

export interface AccumulateResult {
  /** Σ nll over the step's targets, nats. */
  nll: number;
  targets: number;
  tokens: number;
  /** The first pass whose nll is not finite, if there is one. */
  badPass: number | undefined;
}

/**
 * Runs the passes of one step, yielding before every block; gradients are added to what is there, and are complete when it
 * returns. The loss of every pass is divided by the targets of the whole step, so that the gradient is that of one large
 * batch however it is cut.
 */
export function* accumulate(
  runner: Runner,
  passes: readonly (readonly EncodedExample[])[],
  options: AccumulateOptions,
): Generator<void, AccumulateResult, void> {
  const { checkpointing, dropout: p, seed, step } = options;
  const batches = passes.map(collate);
  const targets = batches.reduce((sum, { targetTokens }) => sum + targetTokens, 0);
  const tokens = batches.reduce((sum, batch) => sum + batch.ids.length, 0);
  let nll = 0;
  let badPass: number | undefined;
  for (const [i, batch] of batches.entries()) {
    const dropout = p > 0 ? { p, seed: dropoutSeed(seed, step, i) } : undefined;
    const options = { gradientScale: 1 / targets, checkpointing, ...(dropout ? { dropout } : {}) };
    const pass = yield* runner.forwardBackwardSteps(batch, options);
    if (!Number.isFinite(pass.nll)) badPass ??= i;
    nll += pass.nll;
  }
  return { nll, targets, tokens, badPass };
}

/** 64 bits that differ for every (seed, step, pass): 24 bits of seed, 28 of step, 12 of pass, mixed by splitmix64. */
function dropoutSeed(seed: number, step: number, pass: number): bigint {
  const mask = (1n << 64n) - 1n;
  let z = (BigInt(seed) << 40n) ^ (BigInt(step) << 12n) ^ BigInt(pass);
  z = (z + 0x9e3779b97f4a7c15n) & mask;
  z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & mask;
  z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & mask;
  return z ^ (z >> 31n);
}
