// The one description of a training run: types, defaults, help, YAML keys and flags all come from here.
import { type Compute, defaultActivationMemory } from "@qlora/transformer";
import { z } from "zod";
import { byteSizePattern } from "./byte-size.js";

const count = () => z.number().int().nonnegative();
const positive = () => z.number().int().positive();
const rate = () => z.number().min(0).max(1);

/** The optimisers and the states that each keeps of every trained element. */
export const optimizerStates = { adamw: 2, adam: 2, lion: 1, ademamix: 3, sgd: 1 } as const;
const optimizerNames = (Object.keys(optimizerStates) as (keyof typeof optimizerStates)[]).flatMap((name) =>
  (["32bit", "8bit"] as const).flatMap((bits) => [`paged-${name}-${bits}`, `${name}-${bits}`] as const),
);

/** The parts of an optimiser's name. */
export function parseOptimizer(name: TrainConfig["optimizer"]): {
  algorithm: keyof typeof optimizerStates;
  bits: 8 | 32;
  paged: boolean;
} {
  const [bits, algorithm, paged] = name.split("-").reverse() as [
    "8bit" | "32bit",
    keyof typeof optimizerStates,
    "paged"?,
  ];
  return { algorithm, bits: bits === "8bit" ? 8 : 32, paged: paged === "paged" };
}

/**
 * Keys are camelCase here, snake_case in YAML (`lora_r`), kebab-case as flags (`--lora-r`). The defaults are the paper's
 * recipe (§4, App. B, and the reference implementation's settings).
 */
export const trainSchema = z.strictObject({
  model: z.string().min(1).describe("folder of the base model: config.json, model.safetensors, tokenizer.json"),
  data: z
    .string()
    .min(1)
    .describe("training data: alpaca or messages JSON/JSONL, prompt/completion JSONL, or plain text"),
  output: z.string().min(1).describe("folder to write; must not hold a run yet, unless resuming"),
  heldOutData: z
    .string()
    .optional()
    .describe("held-out data in the same formats; default: a part of the training data"),

  method: z
    .enum(["qlora", "lora", "full"])
    .default("qlora")
    .describe("qlora: adapters on a quantised base; lora: adapters on a 16-bit base; full: every weight in f32"),
  precision: z
    .enum(["nf4", "fp4", "int8", "bf16", "f32"])
    .optional()
    .describe("how the base is kept; default nf4 for qlora, bf16 for lora, f32 for full"),
  blockSize: z.literal([32, 64, 128, 256, 512, 1024, 2048, 4096]).default(64).describe("weights that share one scale"),
  doubleQuant: z.boolean().default(true).describe("quantise the scales too"),
  mapWeights: z
    .boolean()
    .default(false)
    .describe("leave the weights in their file, paged in by the system; the file must hold them in this precision"),
  compute: z.enum(["f32", "int8"]).default("f32").describe("arithmetic of products with frozen weights"),
  computeForward: z.enum(["f32", "int8"]).optional().describe("the same in the forward pass; default as compute"),
  computeRecompute: z
    .enum(["f32", "int8"])
    .optional()
    .describe("the same where activations are recomputed; default as compute"),
  computeBackward: z
    .enum(["f32", "int8"])
    .optional()
    .describe("the same in the backward pass (dX); default as compute"),
  device: z.enum(["cpu", "cuda", "cuda-emu"]).default("cpu").describe("where to compute"),
  threads: positive().max(1024).optional().describe("threads; default QLORA_THREADS, else all"),

  loraR: positive().max(4096).default(64).describe("rank of the adapters"),
  loraAlpha: z.number().positive().default(16).describe("adapters are scaled by alpha / r"),
  loraDropout: rate().lt(1).default(0.1).describe("dropout on the adapters' input"),
  loraTargetModules: z
    .string()
    .default("all-linear")
    .describe("which linear layers: all-linear, or names separated by commas (q_proj,v_proj)"),
  rslora: z.boolean().default(false).describe("scale by alpha / √r instead"),

  optimizer: z.enum(optimizerNames).default("paged-adamw-32bit").describe("optimiser and bits of its state"),
  optimizerMemory: z
    .number()
    .positive()
    .default(4096)
    .describe("MiB of state that a paged optimiser keeps in memory; the rest is in a file"),
  gpuMemory: z
    .string()
    .regex(byteSizePattern, "must be a size with a unit, such as 24GiB")
    .optional()
    .describe("of the GPU that the run may take, 24GiB; a paged optimiser keeps on the host what does not fit"),
  learningRate: z.number().positive().default(2e-4).describe("peak learning rate"),
  schedule: z
    .enum(["constant", "linear", "cosine", "wsd"])
    .default("constant")
    .describe("learning rate after warm-up; wsd: constant, then linearly down over the last tenth"),
  warmupSteps: count().default(0).describe("steps of linear warm-up"),
  beta1: rate().lt(1).default(0.9).describe("decay of the first moment; momentum of sgd"),
  beta2: rate().lt(1).default(0.999).describe("decay of the second moment"),
  epsilon: z.number().positive().default(1e-8).describe("added to the root of the second moment"),
  weightDecay: z.number().nonnegative().default(0).describe("decoupled weight decay"),
  maxGradNorm: z.number().nonnegative().default(0.3).describe("clip the global gradient norm; 0 never clips"),

  batchSize: positive().default(1).describe("sequences per forward pass"),
  gradientAccumulation: positive()
    .default(16)
    .describe("passes per optimiser step; the loss is the mean over all their targets"),
  packTokens: positive()
    .optional()
    .describe("fill each pass with sequences up to this many tokens, instead of batch_size of them"),
  maxSteps: positive().optional().describe("optimiser steps; default: as many as the epochs need"),
  epochs: z.number().positive().default(1).describe("passes over the data, where max_steps is not given"),
  groupByLength: z.boolean().default(true).describe("sequences of similar length (in tokens) go together"),
  gradientCheckpointing: z.boolean().default(true).describe("keep one activation per block and recompute the rest"),
  activationMemory: z
    .number()
    .nonnegative()
    .default(defaultActivationMemory / 2 ** 20)
    .describe("MiB of activations that are kept all the same, beside those of one block (CPU)"),
  seed: count().default(42).describe("seed of initialisation, order and dropout"),

  dataFormat: z
    .enum(["auto", "alpaca", "messages", "prompt-completion", "text"])
    .default("auto")
    .describe("format of the data"),
  template: z
    .string()
    .default("auto")
    .describe("chat template: auto (the model's own, else guanaco) or a built-in's name"),
  trainOnSource: z.boolean().default(false).describe("learn the prompts too, not only the responses"),
  maxLength: positive().default(512).describe("longest sequence in tokens"),
  onTooLong: z
    .enum(["truncate", "drop"])
    .default("truncate")
    .describe("what happens to longer ones; always counted and reported"),
  heldOut: z
    .number()
    .nonnegative()
    .default(0.05)
    .describe("held out of the data: a share below 1, a number of examples from 1 on"),
  maxHeldOut: positive().default(256).describe("held-out examples at most, where heldOut is a share"),

  evalSteps: count().default(0).describe("held-out loss every N steps; 0: only before and after"),
  earlyStopping: count()
    .default(0)
    .describe("stop after N evaluations in a row without a better held-out loss; 0: never"),
  spikeThreshold: z
    .number()
    .nonnegative()
    .default(0)
    .describe("skip a step whose loss or gradient norm is this many standard deviations above the last ones; 0: never"),
  spikeWindow: positive().min(8).default(128).describe("how many steps those last ones are"),
  saveSteps: count().default(250).describe("checkpoint every N steps; 0: only at the end"),
  keepCheckpoints: positive().min(2).default(2).describe("newest checkpoints kept"),
  maxMemory: positive().optional().describe("MiB of memory that the run may take; default: what is available"),
  tensorboard: z.boolean().default(false).describe("also write event files for TensorBoard"),
  resume: z.string().optional().describe("auto: continue from the newest good checkpoint; or the path of one"),
});

/** A complete configuration, defaults filled in. */
export type TrainConfig = z.output<typeof trainSchema>;
/** What a user gives: `model`, `data`, `output`, and anything else to change. */
export type TrainOptions = z.input<typeof trainSchema>;

/** How the base is kept: what was asked for, or the method's default. */
export function basePrecision(
  config: Pick<TrainConfig, "method" | "precision">,
): NonNullable<TrainConfig["precision"]> {
  return config.precision ?? ({ qlora: "nf4", lora: "bf16", full: "f32" } as const)[config.method];
}

/** The arithmetic of each pass. */
export function computePasses(
  config: Pick<TrainConfig, "compute" | "computeForward" | "computeRecompute" | "computeBackward">,
): Exclude<Compute, string> {
  const { compute, computeForward, computeRecompute, computeBackward } = config;
  return {
    forward: computeForward ?? compute,
    recompute: computeRecompute ?? compute,
    backward: computeBackward ?? compute,
  };
}

export function snakeCase(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

export function kebabCase(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
