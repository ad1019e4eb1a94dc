// Whether a checkpoint belongs to a run: the same model, the same data, a configuration that can continue it.
import { createHash } from "node:crypto";
import type { EncodedExample } from "@qlora/data";
import { hostTensor, linears, type Model, toHost, type Weight } from "@qlora/transformer";
import { TrainError } from "./error.js";
import { basePrecision, computePasses, snakeCase, type TrainConfig } from "./schema.js";

/** What a checkpoint was made of. */
export interface Fingerprint {
  /** Values of the configuration's keys that bear on the result. */
  configuration: Record<string, unknown>;
  /** sha256 of the model's shape and of a sample of its weights. */
  baseModel: string;
  /** sha256 of the training and the held-out sequences. */
  data: string;
}

/** Keys that say where and how long, or how results are shown: they change no bit of any step. */
const free = [
  "model",
  "data",
  "heldOutData",
  "output",
  "device",
  "threads",
  "optimizerMemory",
  "gpuMemory",
  "maxMemory",
  "maxSteps",
  "epochs",
  "evalSteps",
  "saveSteps",
  "keepCheckpoints",
  "tensorboard",
  "resume",
] as const;
/** Keys that may change between the parts of a run; it then is no longer the run that goes through. */
const tunable = [
  "mapWeights",
  "learningRate",
  "schedule",
  "warmupSteps",
  "weightDecay",
  "maxGradNorm",
  "beta1",
  "beta2",
  "epsilon",
  "loraDropout",
  "earlyStopping",
  "spikeThreshold",
  "spikeWindow",
] as const;

export function fingerprint(
  config: TrainConfig,
  model: Model,
  training: readonly EncodedExample[],
  heldOut: readonly EncodedExample[],
): Fingerprint {
  const configuration: Record<string, unknown> = {
    ...config,
    precision: basePrecision(config),
    optimizer: config.optimizer.replace("paged-", ""),
  };
  for (const key of free) delete configuration[key];
  const { forward, recompute } = computePasses(config);
  if (forward === recompute) {
    delete configuration.gradientCheckpointing; // what is recomputed is what was kept, to the bit
    delete configuration.activationMemory;
  }
  const data = createHash("sha256");
  for (const examples of [training, heldOut]) {
    data.update(Uint32Array.of(examples.length));
    for (const { ids, labels } of examples) data.update(Uint32Array.of(ids.length)).update(ids).update(labels);
  }
  return { configuration, baseModel: modelHash(model), data: data.digest("hex") };
}

/** The shape, and up to 1024 evenly spaced bytes of every matrix; adapters and other trained values are not in it. */
function modelHash(model: Model): string {
  const hash = createHash("sha256").update(JSON.stringify(model.config));
  for (const { name, weight } of [...linears(model), model.embedding, model.head]) {
    if (weight.kind === "dense" && weight.grad) continue;
    const array = stored(weight);
    const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
    const stride = Math.max(1, Math.floor(bytes.length / 1024));
    hash
      .update(name)
      .update(Uint8Array.from({ length: Math.floor(bytes.length / stride) }, (_, i) => bytes[i * stride]!));
  }
  return hash.digest("hex");
}

/** What is kept of a weight, the same wherever the model is and however it is laid out. */
function stored(weight: Weight): Float32Array | Uint16Array | Uint8Array {
  if (weight.kind === "4bit") return hostTensor(weight.data).codes;
  return weight.kind === "8bit" ? weight.data.codes : toHost(weight.data as Float32Array | Uint16Array);
}

/**
 * Compares; returns a warning for every change that is allowed but gives another run.
 * @throws {TrainError} CHECKPOINT_MISMATCH naming what differs.
 */
export function compareFingerprints(path: string, saved: Fingerprint, now: Fingerprint): string[] {
  const mismatch = (what: string) =>
    new TrainError(
      "CHECKPOINT_MISMATCH",
      `${path} was made with ${what}; continue with the same, or start a new output`,
    );
  if (saved.baseModel !== now.baseModel) throw mismatch("another base model");
  const warnings: string[] = [];
  for (const key of Object.keys(now.configuration)) {
    const [was, is] = [saved.configuration[key], now.configuration[key]].map((value) => JSON.stringify(value));
    if (was === is) continue;
    const change = `${snakeCase(key)} ${was} (now ${is})`;
    if (!(tunable as readonly string[]).includes(key)) throw mismatch(change);
    warnings.push(`${path} was made with ${change}: from here on this is another run than the one that was begun`);
  }
  if (saved.data !== now.data) throw mismatch("other data");
  return warnings;
}
