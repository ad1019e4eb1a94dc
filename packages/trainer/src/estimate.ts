// What a run will need, part by part, before anything is loaded.
import { resolveTargets } from "@qlora/lora";
import {
  activationBytes,
  defaultActivationMemory,
  keptBlocks,
  type LinearKey,
  leastMapped,
  linearKeys,
  linearName,
  linearShape,
  logitsRows,
  type ModelConfig,
  type Precision,
  tokensTogether,
} from "@qlora/transformer";
import { basePrecision, optimizerStates, parseOptimizer, type TrainConfig } from "./schema.js";

/** Bytes by part; `total` is the expected peak of the memory that is the process's own. */
export interface MemoryEstimate {
  parts: { name: string; bytes: number; note: string }[];
  total: number;
  /** Weights in a mapped file (`mapWeights`): resident as far as there is room, not part of `total`. */
  mapped: number;
}

type Config = Pick<
  TrainConfig,
  "method" | "precision" | "blockSize" | "doubleQuant" | "loraR" | "loraDropout" | "optimizer" | "gradientCheckpointing"
> &
  Partial<Pick<TrainConfig, "loraTargetModules" | "optimizerMemory" | "activationMemory" | "mapWeights">>;

export interface EstimateInput {
  model: ModelConfig;
  config: Config;
  /** Tokens of the largest forward pass: batch size × sequence length, or what the data really has. */
  tokens: number;
  /** Positions with a target in it; default all. */
  targets?: number;
  /** Tokens of the longest sequence in it; default: the pass is one sequence. */
  longest?: number;
  /** Names of the linear layers that get adapters; default those of `config.loraTargetModules`, else all seven. */
  adapted?: readonly string[];
  /** Resident memory of the process before loading; default: this process, now. */
  process?: number;
  /** Bytes per element of embedding, head and norms in the file; default by the declared dtype (f16 is widened to f32). */
  storedBytes?: 2 | 4;
}

/** What the process grows by whatever the model: compiled code, the heap's young generation, the threads' stacks and panels. */
const overhead = 16 * 2 ** 20;

/** Memory of training on the CPU. Sizes follow the code that allocates them (transformer's load.ts, pass.ts and block.ts). */
export function estimateMemory(input: EstimateInput): MemoryEstimate {
  const { model, config, longest = input.tokens, process: base = process.memoryUsage().rss } = input;
  const t = tokensTogether("cpu", input.tokens, longest);
  const targets = Math.min(input.targets ?? t, t);
  const { hiddenSize: d, intermediateSize: f, heads, kvHeads, headDim, layers, vocabSize } = model;
  const [qWidth, kvWidth] = [heads * headDim, kvHeads * headDim];
  const full = config.method === "full";
  const precision = basePrecision(config);
  const stored = input.storedBytes ?? (model.dtype === "bfloat16" ? 2 : 4);
  const dense = full ? 4 : stored;
  const weights = weightBytes(model, config, precision, dense);
  const rank = full ? 0 : config.loraR;
  const { elements: trained, state } = trainedSizes(input);
  const inMemory = config.optimizer.startsWith("paged-")
    ? Math.min(state, (config.optimizerMemory ?? 4096) * 2 ** 20)
    : state;

  const ranks = full ? 0 : rank * adaptedKeys(model, config, input.adapted).filter(({ layers }) => layers > 0).length;
  const activationMemory =
    config.activationMemory === undefined ? defaultActivationMemory : config.activationMemory * 2 ** 20;
  const blocks = config.gradientCheckpointing ? keptBlocks(model, t, ranks, activationMemory) : layers;
  const widest = config.loraDropout > 0 && !full ? Math.max(d, f, qWidth) : 0;
  const scratch = t * (3 * d + f + 2 * qWidth + 2 * kvWidth + widest + (full ? 0 : 3 * rank)) * 4;
  const decoded = precision === "int8" ? Math.max(...linearKeys.map((key) => product(linearShape(model, key)))) * 4 : 0;
  const rows = logitsRows(targets, vocabSize);
  const parts = [
    { name: "process", bytes: base + overhead, note: "Node, the code, the data" },
    {
      name: "base model",
      bytes: weights.memory + (2 * layers + 1) * d * 4 + model.maxPositions * headDim * 4,
      note: config.mapWeights
        ? "what is not in the mapped file"
        : `linear layers in ${precision}, embedding and head in ${dense * 8} bits`,
    },
    trainedPart(trained, rank),
    {
      name: "optimiser",
      bytes: inMemory,
      note:
        inMemory < state
          ? `${config.optimizer}, the rest of ${Math.round(state / 2 ** 20)} MiB in a file`
          : config.optimizer,
    },
    { name: "block inputs", bytes: layers * t * d * 4, note: `${t} tokens × ${layers} layers` },
    activationsPart(activationBytes(model, t, ranks), blocks, layers),
    {
      name: "scratch",
      bytes: scratch + decoded,
      note: `gradients of one block${decoded ? ", one matrix decoded" : ""}`,
    },
    { name: "logits", bytes: rows * (vocabSize + 4 * d) * 4, note: `${rows} rows at a time` },
  ];
  const training = parts.slice(2).reduce((sum, { bytes }) => sum + bytes, 0);
  const loading = config.mapWeights ? 0 : loadingBytes(model, precision, stored, dense);
  if (loading > training)
    parts.push({
      name: "loading",
      bytes: loading - training,
      note: "the largest tensor in the file's precision, before training needs its memory",
    });
  return { parts, total: parts.reduce((sum, { bytes }) => sum + bytes, 0), mapped: weights.mapped };
}

/** Most bytes on disk at once: the checkpoints with one being written, the best one, the optimiser's pages, and the result. */
export function estimateDisk(
  input: EstimateInput & { config: Pick<TrainConfig, "keepCheckpoints" | "evalSteps"> },
): number {
  const { config } = input;
  const { elements, state } = trainedSizes(input);
  const checkpoints = config.keepCheckpoints + 1 + (config.evalSteps > 0 ? 2 : 0);
  const pages = config.optimizer.startsWith("paged-") && state > (config.optimizerMemory ?? 4096) * 2 ** 20 ? state : 0;
  const small = 4 * 2 ** 20; // log, pictures, configuration
  return checkpoints * (elements * 4 + state) + pages + elements * 4 + small;
}

/** What trains beside the weights, f32 on every device: adapters (rank > 0) with gradients, or the gradients of all weights. */
export const trainedPart = (elements: number, rank: number) =>
  rank > 0
    ? { name: "adapters", bytes: elements * 8, note: `rank ${rank}, f32, with gradients` }
    : { name: "gradients", bytes: elements * 4, note: "f32" };

/** Activations that the backward pass needs, of as many blocks as keep them at once. */
export const activationsPart = (ofABlock: number, blocks: number, layers: number) => ({
  name: "activations",
  bytes: ofABlock * blocks,
  note: blocks === layers ? "of every block" : blocks === 1 ? "of one block" : `of ${blocks} blocks`,
});

/** Elements that train, and the bytes of the optimiser's state for them. */
export function trainedSizes({ model, config, adapted }: Pick<EstimateInput, "model" | "config" | "adapted">): {
  elements: number;
  state: number;
} {
  let elements = 0;
  if (config.method === "full") {
    const linear = linearKeys.reduce((sum, key) => sum + product(linearShape(model, key)), 0);
    elements =
      model.layers * linear +
      model.vocabSize * model.hiddenSize * (model.tiedHead ? 1 : 2) +
      (2 * model.layers + 1) * model.hiddenSize;
  } else
    for (const { key, layers } of adaptedKeys(model, config, adapted)) {
      const [n, k] = linearShape(model, key);
      elements += layers * config.loraR * (n + k);
    }
  const { algorithm, bits } = parseOptimizer(config.optimizer);
  return { elements, state: elements * (bits === 8 ? 1 + 4 / 256 : 4) * optimizerStates[algorithm] };
}

/** How many layers have an adapter on each of the seven linear layers. */
function adaptedKeys(
  model: ModelConfig,
  { loraTargetModules = "all-linear" }: Config,
  adapted?: readonly string[],
): { key: LinearKey; layers: number }[] {
  if (adapted) return linearKeys.filter((key) => adapted.includes(key)).map((key) => ({ key, layers: model.layers }));
  const names = Array.from({ length: model.layers }, (_, i) => linearKeys.map((key) => linearName(i, key)));
  const targetModules =
    loraTargetModules === "all-linear" ? loraTargetModules : loraTargetModules.split(",").map((name) => name.trim());
  const chosen = new Set(resolveTargets(names.flat(), { targetModules }));
  return linearKeys.map((key) => ({
    key,
    layers: Array.from({ length: model.layers }, (_, i) => linearName(i, key)).filter((name) => chosen.has(name))
      .length,
  }));
}

/** The largest tensor as it is read, with what is made of it before it can go. */
function loadingBytes(model: ModelConfig, precision: Precision, stored: number, dense: number): number {
  const largest = Math.max(...linearKeys.map((key) => product(linearShape(model, key))));
  const raw = model.dtype === "float16" ? 6 : stored;
  const linear = largest * (raw + (precision === "f32" || precision === "bf16" ? 0 : 0.6));
  return Math.max(linear, model.vocabSize * model.hiddenSize * (raw - (raw === 6 ? 4 : dense)));
}

/** Bytes of all matrices: in memory, and with `mapWeights` in the mapped file, which is all but small tensors. */
export function weightBytes(
  model: ModelConfig,
  { mapWeights = false, blockSize, doubleQuant }: Config,
  precision: Precision,
  dense: number,
): { memory: number; mapped: number } {
  const sum = { memory: 0, mapped: 0 };
  const add = (count: number, bytes: number) => {
    sum[mapWeights && bytes >= leastMapped ? "mapped" : "memory"] += count * bytes;
  };
  for (const key of linearKeys) {
    const n = product(linearShape(model, key));
    if (precision === "f32" || precision === "bf16") add(model.layers, n * (precision === "f32" ? 4 : 2));
    else {
      const nested = doubleQuant && precision !== "int8";
      add(model.layers, precision === "int8" ? n : n / 2);
      add(model.layers, (n / blockSize) * (nested ? 1 : 4));
      if (nested) add(model.layers, (n / blockSize / 256) * 4);
    }
  }
  add(model.tiedHead ? 1 : 2, model.vocabSize * model.hiddenSize * dense);
  return sum;
}

export const product = ([n, k]: [number, number]) => n * k;
