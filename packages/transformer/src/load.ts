// From a Hugging Face folder to a model in memory, tensor by tensor: at no time is more than one full-precision tensor held.
import { fromBf16, preferHugePages, ropeTables, toBf16 } from "@qlora/kernels";
import { type QuantizedTensor, quantize, tile } from "@qlora/nf4";
import { openCheckpoint } from "@qlora/safetensors";
import { type ModelConfig, readModelConfig } from "./config.js";
import { type Device, place, placeWeight } from "./device.js";
import { ModelError } from "./error.js";
import {
  freeParts,
  type Layer,
  type Linear,
  type LinearKey,
  linearName,
  linearShape,
  type Model,
  type Norm,
  tensorShapes,
} from "./model.js";
import { checkpointSource, holdsPrecision, type Source } from "./source.js";
import { type Compute, type Precision, quantize8bit, type Weight } from "./weight.js";

export interface LoadOptions {
  /** How the blocks' linear layers are kept. Default "nf4". A checkpoint that is already in 4 bits stays as it is. */
  precision?: Precision;
  /** Elements that share one scale. Default 64. */
  blockSize?: number;
  /** Quantise the scales too (paper §3). Default true. */
  doubleQuant?: boolean;
  compute?: Compute;
  /** Where the model is to be; each tensor is moved there as soon as it is made. Default "cpu". */
  device?: Device;
  /**
   * Leave weights in their file and let the system page them in, instead of holding them in memory: for models that are larger
   * than it. The checkpoint must hold them as `precision` keeps them (4-bit ones: `quantizeModel`), and keep its length while
   * the model is used. Default false: 4-bit weights are re-ordered once for speed.
   */
  mapWeights?: boolean;
  /** Called after each tensor with how far loading is. */
  onProgress?: (done: number, total: number) => void;
}

/**
 * Loads a LLaMA-family model from a Hugging Face folder: config.json and safetensors (one file or shards; F32, F16, BF16, or
 * bitsandbytes 4-bit). Embedding and head keep the checkpoint's 16 bits if it is bf16, f32 otherwise (on a device bf16, unless
 * `precision` is "f32"); norms are f32.
 * @throws {ModelError} for a config or tensor that does not fit; {SafetensorsError} for a damaged file.
 */
export function loadModel(dir: string, options: LoadOptions = {}): Model {
  const steps = loadSteps(dir, options);
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
    options.onProgress?.(step.value.done, step.value.total);
  }
}

/** `loadModel` a tensor at a time, for callers with other things to do in between. */
export function* loadSteps(dir: string, options: LoadOptions = {}): Generator<LoadProgress, Model> {
  const config = readModelConfig(dir);
  using checkpoint = openCheckpoint(dir);
  return yield* buildModel(config, checkpointSource(checkpoint, config, { map: options.mapWeights ?? false }), options);
}

/** Whether `loadModel` can map the weights of this folder: it holds them as `precision` keeps them. */
export function isMappable(dir: string, precision: Precision = "nf4"): boolean {
  using checkpoint = openCheckpoint(dir);
  return holdsPrecision(checkpoint, readModelConfig(dir), precision);
}

export interface LoadProgress {
  done: number;
  total: number;
}

/**
 * A fresh f32 model from standard normals: what reads the stream N(0, 1/k), what writes to it (o, down) N(0, 0.02²),
 * embeddings N(0, 0.05²), norms one. The same normals give the same bits.
 */
export function initModel(config: ModelConfig, normal: () => number): Model {
  const shapes = tensorShapes(config);
  const source: Source = {
    dense(name) {
      const shape = shapes.get(name)!;
      const data = new Float32Array(shape.reduce((a, b) => a * b, 1));
      if (shape.length === 1) return data.fill(1);
      const std = /(o|down)_proj/.test(name)
        ? 0.02
        : name.startsWith("model.layers.")
          ? 1 / Math.sqrt(shape[1]!)
          : 0.05;
      for (let i = 0; i < data.length; i++) data[i] = std * normal();
      return data;
    },
    borrow: (name) => source.dense(name),
    quantized: () => undefined,
  };
  const steps = buildModel(config, source, { precision: "f32" });
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
  }
}

function* buildModel(config: ModelConfig, source: Source, options: LoadOptions): Generator<LoadProgress, Model> {
  const parts: (Linear | Norm)[] = [];
  try {
    return yield* build(config, source, options, parts);
  } catch (error) {
    freeParts(parts); // what was on a device already
    throw error;
  }
}

function* build(
  config: ModelConfig,
  source: Source,
  options: LoadOptions,
  parts: (Linear | Norm)[],
): Generator<LoadProgress, Model> {
  const total = tensorShapes(config).size;
  function* part<T extends Linear | Norm>(made: T): Generator<LoadProgress, T> {
    yield { done: parts.push(made), total };
    return made;
  }
  const { precision = "nf4", compute = "f32", device = "cpu" } = options;
  const dense = (name: string, n: number, k: number) => {
    const stored = source.dense(`${name}.weight`);
    // Products on a device round to bf16 anyway; f32 is for weights that train, and for comparisons.
    const data = device === "cpu" || precision === "f32" ? stored : narrow(stored);
    return part<Linear>({ name, weight: placeWeight({ kind: "dense", n, k, data }, device, name) });
  };
  const norm = (name: string) =>
    part<Norm>({ name, weight: place(widen(source.dense(`${name}.weight`)), device, name) });
  const linear = (layer: number, key: LinearKey) => {
    const name = linearName(layer, key);
    const weight = linearWeight(source, name, linearShape(config, key), options);
    return part<Linear>({ name, weight: placeWeight(weight, device, name) });
  };

  const embedding = yield* dense("model.embed_tokens", config.vocabSize, config.hiddenSize);
  const layers: Layer[] = [];
  for (let i = 0; i < config.layers; i++)
    layers.push({
      inputNorm: yield* norm(`model.layers.${i}.input_layernorm`),
      q: yield* linear(i, "q"),
      k: yield* linear(i, "k"),
      v: yield* linear(i, "v"),
      o: yield* linear(i, "o"),
      postAttentionNorm: yield* norm(`model.layers.${i}.post_attention_layernorm`),
      gate: yield* linear(i, "gate"),
      up: yield* linear(i, "up"),
      down: yield* linear(i, "down"),
    });
  const finalNorm = yield* norm("model.norm");
  const head = config.tiedHead ? embedding : yield* dense("lm_head", config.vocabSize, config.hiddenSize);
  const { headDim, ropeTheta: theta, ropeScaling: scaling, maxPositions: positions } = config;
  const { cos, sin } = ropeTables({ positions, headDim, theta, ...(scaling ? { scaling } : {}) });
  const rope = { cos: place(cos, device, "rope"), sin: place(sin, device, "rope") };
  return { config, device, precision, compute, embedding, layers, norm: finalNorm, head, rope };
}

function linearWeight(source: Source, name: string, [n, k]: [number, number], options: LoadOptions): Weight {
  const { precision = "nf4", blockSize = 64, doubleQuant = true, mapWeights = false, device = "cpu" } = options;
  const ordered = (q: QuantizedTensor) => (device === "cpu" && !mapWeights ? tile(q) : q); // tiles are for the CPU
  const stored = source.quantized(`${name}.weight`);
  if (stored) return { kind: "4bit", n, k, data: ordered(stored) };
  if (mapWeights) return { kind: "dense", n, k, data: storedAs(precision, source.dense(`${name}.weight`), name) };
  const data = source.borrow(`${name}.weight`);
  if (precision === "f32") {
    const own = data instanceof Float32Array ? copyTo(new Float32Array(n * k), data) : widen(data);
    return { kind: "dense", n, k, data: own };
  }
  if (precision === "bf16") {
    const own = data instanceof Uint16Array ? copyTo(new Uint16Array(n * k), data) : narrow(data);
    return { kind: "dense", n, k, data: own };
  }
  if (precision === "int8") return quantize8bit(widen(data), n, k, blockSize);
  return {
    kind: "4bit",
    n,
    k,
    data: ordered(quantize(data, { shape: [n, k], codebook: precision, blockSize, doubleQuant })),
  };
}

/** The tensor itself, where the checkpoint holds it in this precision. @throws {ModelError} NOT_MAPPABLE */
function storedAs<T extends Float32Array | Uint16Array>(precision: Precision, data: T, name: string): T {
  const found = data instanceof Uint16Array ? "bf16" : "f32";
  if (found === precision) return data;
  throw new ModelError(
    "NOT_MAPPABLE",
    `${name}.weight is not stored in ${precision}, so it cannot be used where it lies; convert the model first (qlora quantize), or do without map_weights`,
  );
}

function copyTo<T extends Float32Array | Uint16Array>(out: T, data: T): T {
  preferHugePages(out).set(data);
  return out;
}

function widen(data: Float32Array | Uint16Array): Float32Array {
  if (data instanceof Float32Array) return data;
  const out = preferHugePages(new Float32Array(data.length));
  fromBf16(data, out, { n: data.length });
  return out;
}

function narrow(data: Float32Array | Uint16Array): Uint16Array {
  if (data instanceof Uint16Array) return data;
  const out = preferHugePages(new Uint16Array(data.length));
  toBf16(data, out, { n: data.length });
  return out;
}
