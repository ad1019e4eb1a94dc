// Before anything is loaded: does the run fit this machine, and if not, what would make it fit?
import type { ModelConfig } from "@qlora/transformer";
import { TrainError } from "./error.js";
import { estimateMemory, type MemoryEstimate } from "./estimate.js";
import { type DeviceEstimate, estimateDeviceMemory } from "./estimate-device.js";
import { basePrecision, snakeCase, type TrainConfig } from "./schema.js";

/** Tokens and targets of the largest pass under a configuration. */
export type PassSize = (config: TrainConfig) => { tokens: number; targets: number };

export interface Requirements {
  model: ModelConfig;
  config: TrainConfig;
  passSize: PassSize;
  /** Resident memory of the process so far. */
  process: number;
  /** Whether the checkpoint holds its weights so that they can be mapped; asked only when the run does not fit. */
  mappable: () => boolean;
  /** Bytes of the GPU that the run may take: what is free of it, within `gpu_memory`. */
  deviceMemory?: number;
}

/** Of the device where the run computes: the CPU's memory, or the GPU's. */
export function estimateRun({
  model,
  config,
  passSize,
  process,
  deviceMemory,
}: Requirements): MemoryEstimate | DeviceEstimate {
  if (config.device === "cpu") return estimateMemory({ model, config, ...passSize(config), process });
  const limit = deviceMemory === undefined ? {} : { gpuMemory: deviceMemory };
  return estimateDeviceMemory({ model, config, ...passSize(config), ...limit });
}

type Change = Partial<TrainConfig>;

/** Changes that need less memory, those that leave the result alone first: nearest to what was asked for. */
export function* lighter(config: TrainConfig, mappable: boolean): Generator<Change, void, void> {
  if (mappable && config.device === "cpu" && !config.mapWeights) yield { mapWeights: true };
  if (!config.gradientCheckpointing) yield { gradientCheckpointing: true, activationMemory: 0 };
  else if (config.device === "cpu" && config.activationMemory > 0) yield { activationMemory: 0 };
  for (let [size, passes] = [config.batchSize, config.gradientAccumulation]; size > 1; ) {
    const half = Math.ceil(size / 2);
    [size, passes] = [half, Math.ceil((passes * size) / half)];
    yield { batchSize: size, gradientAccumulation: passes };
  }
  const adam = config.optimizer.replace("paged-", "");
  if (config.device !== "cpu" && adam === config.optimizer)
    yield { optimizer: `paged-${adam}` as TrainConfig["optimizer"] };
  for (const optimizerMemory of config.device === "cpu" ? [1024, 256, 64] : [])
    if (config.optimizerMemory > optimizerMemory || adam === config.optimizer)
      yield { optimizer: `paged-${adam}` as TrainConfig["optimizer"], optimizerMemory };
  if (config.optimizer.endsWith("32bit"))
    yield { optimizer: config.optimizer.replace("32bit", "8bit") as TrainConfig["optimizer"] };
  for (let maxLength = config.maxLength >> 1; maxLength >= 64; maxLength >>= 1) yield { maxLength };
  if (config.method !== "full") for (let loraR = config.loraR >> 1; loraR >= 4; loraR >>= 1) yield { loraR };
  if (basePrecision(config) === "f32" && config.method === "lora") yield { precision: "bf16" };
  if (config.method !== "qlora") yield { method: "qlora", precision: "nf4" };
}

/** @throws {TrainError} NO_MEMORY with the knobs that would make it fit, nearest first */
export function refuseMemory(requirements: Requirements, available: number): void {
  const { config } = requirements;
  const total = (changed: TrainConfig) => estimateRun({ ...requirements, config: changed }).total;
  const needed = total(config);
  if (needed <= available) return;
  const mappable = requirements.mappable();
  const fits = new Map<string, string>();
  const text = (change: Change) =>
    Object.entries(change)
      .map(([key, value]) => `${snakeCase(key)} ${value}`)
      .join(" with ");
  for (const change of lighter(config, mappable)) {
    const knob = Object.keys(change).join();
    if (!fits.has(knob) && total({ ...config, ...change }) <= available) fits.set(knob, text(change));
  }
  const short = `the run needs ${mebi(needed)} of memory at its peak, ${mebi(available)} are available`;
  if (fits.size > 0)
    throw new TrainError(
      "NO_MEMORY",
      `${short}. Any of these makes it fit, the nearest first: ${[...fits.values()].join("; ")}`,
    );
  // No single knob does: turn them all, one after another, until it fits.
  let together = config;
  const changes: Change = {};
  for (const change of lighter(config, mappable)) {
    const next = { ...together, ...change };
    if (total(next) >= total(together)) continue;
    together = next;
    Object.assign(changes, change);
    if (total(together) <= available)
      throw new TrainError("NO_MEMORY", `${short}. Together these make it fit: ${text(changes)}`);
  }
  throw new TrainError(
    "NO_MEMORY",
    `${short}. No setting makes this model fit: with ${text(changes)} it needs ${mebi(total(together))}; take a smaller model or a larger machine`,
  );
}

/** @throws {TrainError} NO_SPACE */
export function refuseDisk(
  path: string,
  { needed, free }: { needed: number; free: number },
  config: TrainConfig,
): void {
  if (needed <= free) return;
  const knobs: Change[] = [];
  if (config.keepCheckpoints > 2) knobs.push({ keepCheckpoints: 2 });
  if (config.optimizer.endsWith("32bit"))
    knobs.push({ optimizer: config.optimizer.replace("32bit", "8bit") as TrainConfig["optimizer"] });
  const advice = [...knobs.map(text), "an output on another disk"].join(", or ");
  throw new TrainError(
    "NO_SPACE",
    `${path}: the run writes up to ${needed} bytes, ${free} are free. Make room, or take ${advice}`,
  );
}

const text = (change: Change) =>
  Object.entries(change)
    .map(([key, value]) => `${snakeCase(key)} ${value}`)
    .join(" with ");
const mebi = (bytes: number) => `${(bytes / 2 ** 20).toFixed(0)} MiB`;
