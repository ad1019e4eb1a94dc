// Which examples make up which pass of which step: a function of the configuration's seed alone.
import { batches, countTargets, type EncodedExample, type Step } from "@qlora/data";
import type { TrainConfig } from "./schema.js";

export interface StepOrder {
  /** Optimiser steps of the run. */
  steps: number;
  /** The passes of step 0, 1, …: for each, indices of its examples. */
  step(index: number): Step;
  /** Tokens of the largest pass, at most. */
  largestPass: number;
  /** Targets of the largest pass, at most. */
  largestTargets: number;
  /** Tokens of the longest sequence. */
  longest: number;
}

export function stepOrder(examples: readonly EncodedExample[], config: TrainConfig): StepOrder {
  const options = {
    lengths: examples.map(({ ids }) => ids.length),
    ...(config.packTokens === undefined ? { batchSize: config.batchSize } : { tokenBudget: config.packTokens }),
    accumulation: config.gradientAccumulation,
    groupByLength: config.groupByLength,
    seed: config.seed,
  };
  let cached = { epoch: 0, steps: batches({ ...options, epoch: 0 }) };
  const perEpoch = cached.steps.length;
  const { tokens, targets, longest } = passSize(examples, config);
  return {
    steps: config.maxSteps ?? Math.max(1, Math.round(config.epochs * perEpoch)),
    step(index) {
      const epoch = Math.floor(index / perEpoch);
      if (epoch !== cached.epoch) cached = { epoch, steps: batches({ ...options, epoch }) };
      return cached.steps[index % perEpoch]!;
    },
    largestPass: tokens,
    largestTargets: targets,
    longest,
  };
}

/** Tokens and targets of a pass of the longest examples, cut to `maxLength`, and the longest: no pass has more. */
export function passSize(
  examples: readonly EncodedExample[],
  { batchSize, maxLength, packTokens }: TrainConfig,
): { tokens: number; targets: number; longest: number } {
  const most = (sizes: number[]) => {
    const cut = sizes.map((size) => Math.min(size, maxLength)).sort((a, b) => b - a);
    if (packTokens === undefined) return cut.slice(0, batchSize).reduce((sum, size) => sum + size, 0);
    return Math.min(
      packTokens,
      cut.reduce((sum, size) => sum + size, 0),
    );
  };
  return {
    tokens: most(examples.map(({ ids }) => ids.length)),
    targets: most(examples.map(({ labels }) => countTargets(labels))),
    longest: examples.reduce((longest, { ids }) => Math.max(longest, Math.min(ids.length, maxLength)), 0),
  };
}
