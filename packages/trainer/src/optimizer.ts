// The optimiser and the learning rate of a configuration.
import { AdamW, constant, cosine, Lion, linear, type Schedule } from "@qlora/paged-optim";
import type { Trainable } from "@qlora/transformer";
import type { TrainConfig } from "./schema.js";

/** "paged-…" keeps at most `optimizerMemory` MiB of state in memory and the rest in a file at `path`. */
export function makeOptimizer(parameters: readonly Trainable[], config: TrainConfig, path: string): AdamW | Lion {
  const { optimizer, learningRate: lr, weightDecay, beta1, beta2, epsilon: eps, optimizerMemory } = config;
  const bits = optimizer.endsWith("8bit") ? 8 : 32;
  const lion = optimizer.includes("lion");
  const elements = parameters.reduce((sum, { data }) => sum + data.length, 0);
  const budget = optimizerMemory * 2 ** 20;
  const pages = optimizer.startsWith("paged-") && elements * (bits / 8) * (lion ? 1 : 2) > budget;
  const options = { lr, weightDecay, bits, ...(pages ? { paging: { budget, path } } : {}) } as const;
  return lion
    ? new Lion(parameters, { ...options, betas: [beta1, beta2] })
    : new AdamW(parameters, { ...options, betas: [beta1, beta2], eps });
}

/** Factor on the learning rate by step (0, 1, …). Warm-up's first step has the first of `warmupSteps` equal rises, not zero. */
export function makeSchedule({ schedule, warmupSteps }: TrainConfig, total: number): Schedule {
  const warmup = Math.min(warmupSteps, total);
  const factor = { constant, linear, cosine }[schedule]({ warmup, total });
  return (step) => (step < warmup ? (step + 1) / warmup : factor(step));
}
