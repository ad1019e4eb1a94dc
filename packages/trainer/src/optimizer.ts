// The optimiser and the learning rate of a configuration.
import {
  Adam,
  AdamW,
  AdEMAMix,
  constant,
  cosine,
  DeviceState,
  Lion,
  linear,
  type Schedule,
  Sgd,
  wsd,
} from "@qlora/paged-optim";
import type { Device, Trainable } from "@qlora/transformer";
import { optimizerStates, parseOptimizer, type TrainConfig } from "./schema.js";

/** Where the parameters are, and how many bytes of state a paged optimiser may keep on a GPU. */
export interface OptimizerPlace {
  device: Device;
  stateOnDevice?: number;
}

/**
 * "paged-…" keeps at most `optimizerMemory` MiB of state in memory and the rest in a file at `path`; on a GPU, what is beyond its share of
 * memory in pinned memory of the host.
 */
export function makeOptimizer(
  parameters: readonly Trainable[],
  config: TrainConfig,
  path: string,
  { device, stateOnDevice }: OptimizerPlace = { device: "cpu" },
): AdamW | Adam | Lion | AdEMAMix | Sgd {
  const { learningRate: lr, weightDecay, beta1, beta2, epsilon: eps, optimizerMemory } = config;
  const { algorithm, bits, paged } = parseOptimizer(config.optimizer);
  const elements = parameters.reduce((sum, { data }) => sum + data.length, 0);
  const budget = Math.max(2 * 4096, Math.floor(optimizerMemory * 2 ** 20)); // two of the smallest pages at least
  const pages = device === "cpu" && paged && elements * (bits / 8) * optimizerStates[algorithm] > budget;
  const store =
    device === "cpu"
      ? {}
      : {
          store: new DeviceState({
            device,
            ...(paged && stateOnDevice !== undefined ? { budget: stateOnDevice } : {}),
          }),
        };
  const options = { lr, weightDecay, bits, ...(pages ? { paging: { budget, path } } : {}), ...store } as const;
  switch (algorithm) {
    case "adamw":
      return new AdamW(parameters, { ...options, betas: [beta1, beta2], eps });
    case "adam":
      return new Adam(parameters, { ...options, betas: [beta1, beta2], eps });
    case "lion":
      return new Lion(parameters, { ...options, betas: [beta1, beta2] });
    case "ademamix":
      return new AdEMAMix(parameters, { ...options, betas: [beta1, beta2, 0.9999], eps });
    case "sgd":
      return new Sgd(parameters, { ...options, momentum: beta1 });
  }
}

const schedules: Record<TrainConfig["schedule"], (warmup: number, total: number) => Schedule> = {
  constant: (warmup) => constant({ warmup }),
  linear: (warmup, total) => linear({ warmup, total }),
  cosine: (warmup, total) => cosine({ warmup, total }),
  wsd: (warmup, total) => wsd({ warmup, total, decay: Math.min(total - warmup, Math.ceil(total / 10)) }),
};

/** Factor on the learning rate by step (0, 1, …). Warm-up's first step has the first of `warmupSteps` equal rises, not zero. */
export function makeSchedule({ schedule, warmupSteps }: TrainConfig, total: number): Schedule {
  const warmup = Math.min(warmupSteps, total);
  const factor = schedules[schedule](warmup, total);
  return (step) => (step < warmup ? (step + 1) / warmup : factor(step));
}
