// A folder with an adapter as PEFT writes it: adapter_model.safetensors and adapter_config.json.
import { existsSync, mkdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import {
  openSafetensors,
  type SafetensorsFile,
  type TensorData,
  toFloat32,
  writeFileAtomic,
  writeSafetensors,
} from "@qlora/safetensors";
import { type Adapter, adapterOf, scaling, zeroGradients } from "./adapter.js";
import { type LoraConfig, parsePeftConfig, peftConfigText } from "./config.js";
import { LoraError } from "./errors.js";
import { patternValues } from "./patterns.js";
import { isAllLinear, lastComponents } from "./targets.js";

const WEIGHTS = "adapter_model.safetensors";
const CONFIG = "adapter_config.json";
const PREFIX = "base_model.model.";
const MAX_CONFIG_BYTES = 4 * 2 ** 20;

/** Adapters by the path of their module, e.g. "model.layers.0.self_attn.q_proj". */
export type Adapters = Map<string, Adapter>;

export interface ReadOptions {
  /** The base model's linear layers. With it, an adapter for a module that is not there, or of another shape, is an error. */
  modules?: ReadonlyMap<string, { inFeatures: number; outFeatures: number }>;
  /** Make gradients, to train on; false unless told. */
  trainable?: boolean;
}

/**
 * Reads an adapter of PEFT's: float32, float16 or bfloat16 weights, rank_pattern and alpha_pattern, rsLoRA.
 * What would make the adapter compute something else than y += s·B·A·x is refused, never ignored.
 * @throws {LoraError} with the file, and the field, tensor or module as `key`
 * @throws {SafetensorsError} when the weights' file is damaged
 */
export function readPeftAdapter(
  dir: string,
  options: ReadOptions = {},
): { adapters: Adapters; config: LoraConfig; warnings: string[] } {
  const { config, warnings } = readConfig(dir);
  using file = openSafetensors(weightsPath(dir));
  const modules = pairs(file);
  const paths = [...modules.keys()];
  const ranks = patternValues(config.rankPattern ?? {}, paths);
  const alphas = patternValues(config.alphaPattern ?? {}, paths);
  const adapters: Adapters = new Map();
  for (const [i, path] of paths.entries()) {
    const { a, b } = modules.get(path)!;
    const sizes = shapes(file, path, a!, b!, ranks[i] ?? config.r);
    const base = options.modules?.get(path);
    if (
      options.modules !== undefined &&
      (base?.inFeatures !== sizes.inFeatures || base.outFeatures !== sizes.outFeatures)
    )
      throw baseMismatch(file.path, path, sizes, base);
    const parts = { ...sizes, alpha: alphas[i] ?? config.alpha, rslora: config.rslora ?? false };
    const adapter = adapterOf({ ...parts, a: values(file, a!), b: values(file, b!) });
    if (options.trainable) zeroGradients(adapter);
    adapters.set(path, adapter);
  }
  if (config.targetModules.length === 0) config.targetModules = lastComponents(paths);
  return { adapters, config, warnings };
}

/**
 * Writes adapters so that PEFT, and what understands its files, loads them. Each file is replaced atomically, the weights first.
 * "all-linear" is written as the list of the adapters' last components; adapters whose rank or alpha differ from the
 * configuration's get an entry of rank_pattern or alpha_pattern.
 * @throws {RangeError} when an adapter's scaling is not the one its rank, alpha and `rslora` give
 * @throws {SafetensorsError} NO_SPACE, WRITE
 */
export function writePeftAdapter(dir: string, adapters: Adapters, config: LoraConfig): void {
  const paths = [...adapters.keys()];
  if (paths.length === 0) throw new RangeError("adapters is empty");
  const tensors: TensorData[] = [];
  for (const [path, { a, b, r, alpha, inFeatures, outFeatures, scaling: s }] of adapters) {
    const expected = scaling(alpha, r, config.rslora);
    if (Math.abs(s - expected) > 1e-12 * Math.abs(expected))
      throw new RangeError(
        `${path} has scaling ${s}; r ${r}, alpha ${alpha}, rslora ${!!config.rslora} give ${expected}`,
      );
    tensors.push({ name: `${PREFIX}${path}.lora_A.weight`, dtype: "F32", shape: [r, inFeatures], data: a });
    tensors.push({ name: `${PREFIX}${path}.lora_B.weight`, dtype: "F32", shape: [outFeatures, r], data: b });
  }
  const text = peftConfigText({
    ...config,
    targetModules: isAllLinear(config.targetModules) ? lastComponents(paths).sort() : config.targetModules,
    rankPattern: patternsFor(adapters, config.rankPattern, config.r, (adapter) => adapter.r),
    alphaPattern: patternsFor(adapters, config.alphaPattern, config.alpha, (adapter) => adapter.alpha),
  });
  mkdirSync(dir, { recursive: true });
  writeSafetensors(join(dir, WEIGHTS), tensors, { metadata: { format: "pt" } });
  writeFileAtomic(join(dir, CONFIG), text);
}

/** The given patterns (sorted, as they are written) where they say the truth of every adapter, else one per odd adapter. */
function patternsFor(
  adapters: Adapters,
  given: Record<string, number> | undefined,
  otherwise: number,
  value: (adapter: Adapter) => number,
): Record<string, number> {
  const paths = [...adapters.keys()];
  const tells = (patterns: Record<string, number>) =>
    patternValues(patterns, paths).every((found, i) => (found ?? otherwise) === value(adapters.get(paths[i]!)!));
  const sorted = Object.fromEntries(Object.entries(given ?? {}).sort(([a], [b]) => (a < b ? -1 : 1)));
  if (tells(sorted)) return sorted;
  const odd = [...adapters].filter(([, adapter]) => value(adapter) !== otherwise);
  return Object.fromEntries(odd.map(([path, adapter]) => [path, value(adapter)]));
}

function readConfig(dir: string): { config: LoraConfig; warnings: string[] } {
  const path = join(dir, CONFIG);
  if (!existsSync(path)) throw new LoraError("NOT_FOUND", `no ${CONFIG} in this folder`, { path: dir });
  const { size } = statSync(path);
  if (size > MAX_CONFIG_BYTES) throw new LoraError("JSON", `${size} bytes, at most ${MAX_CONFIG_BYTES}`, { path });
  return parsePeftConfig(readFileSync(path, "utf8"), path);
}

function weightsPath(dir: string): string {
  const path = join(dir, WEIGHTS);
  if (existsSync(path)) return path;
  const pickle = existsSync(join(dir, "adapter_model.bin"))
    ? "; adapter_model.bin is a pickle, which can run code and is not read: load it in PEFT and save it again"
    : "";
  throw new LoraError("NOT_FOUND", `no ${WEIGHTS} in this folder${pickle}`, { path: dir });
}

/** The names of both tensors of each module. */
function pairs(file: SafetensorsFile): Map<string, { a?: string; b?: string }> {
  const modules = new Map<string, { a?: string; b?: string }>();
  const others: string[] = [];
  for (const name of file.tensors.keys()) {
    const match = /^base_model\.model\.(.+)\.lora_([AB])\.weight$/.exec(name);
    if (match === null) others.push(name);
    else modules.set(match[1]!, { ...modules.get(match[1]!), [match[2] === "A" ? "a" : "b"]: name });
  }
  if (others.length > 0) throw unknownTensor(file.path, others);
  for (const [path, { a, b }] of modules)
    if (a === undefined || b === undefined)
      throw new LoraError("HALF_MISSING", `${path} has no lora_${a === undefined ? "A" : "B"}`, {
        path: file.path,
        key: path,
      });
  if (modules.size === 0) throw new LoraError("HALF_MISSING", "holds no adapter", { path: file.path });
  return modules;
}

function unknownTensor(path: string, names: string[]): LoraError {
  const kinds: [part: string, hint: string][] = [
    ["lora_embedding", "adapts an embedding, which is not supported"],
    ["lora_magnitude_vector", "belongs to DoRA, which is not supported"],
    ["bias", "is a bias, which is not supported"],
    ["", "is none of base_model.model.<module>.lora_A.weight and .lora_B.weight"],
  ];
  const [part, hint] = kinds.find(([part]) => names.some((name) => name.includes(part)))!;
  const name = names.find((name) => name.includes(part))!;
  return new LoraError("UNKNOWN_TENSOR", `the tensor ${JSON.stringify(name)} ${hint}`, { path, key: name });
}

function shapes(file: SafetensorsFile, path: string, aName: string, bName: string, rank: number) {
  const a = file.info(aName).shape;
  const b = file.info(bName).shape;
  const found = `lora_A is [${a.join(", ")}], lora_B is [${b.join(", ")}]`;
  const where = { path: file.path, key: path };
  if (a.length !== 2 || b.length !== 2 || a[0] !== b[1] || [...a, ...b].includes(0))
    throw new LoraError("SHAPE", `${path}: ${found}; expected [r, in] and [out, r]`, where);
  if (a[0] !== rank)
    throw new LoraError("RANK_MISMATCH", `${path}: ${found}, but ${CONFIG} gives it rank ${rank}`, where);
  return { r: rank, inFeatures: a[1]!, outFeatures: b[0]! };
}

function baseMismatch(
  file: string,
  path: string,
  found: { inFeatures: number; outFeatures: number },
  base: { inFeatures: number; outFeatures: number } | undefined,
): LoraError {
  const message =
    base === undefined
      ? `${path} is no linear layer of the base model`
      : `${path} takes ${found.inFeatures} inputs to ${found.outFeatures}, ` +
        `the base model's takes ${base.inFeatures} to ${base.outFeatures}`;
  return new LoraError("BASE_MISMATCH", `${message}; the adapter belongs to another model`, { path: file, key: path });
}

function values(file: SafetensorsFile, name: string): Float32Array {
  const { dtype } = file.info(name);
  const where = { path: file.path, key: name };
  if (dtype !== "F32" && dtype !== "F16" && dtype !== "BF16")
    throw new LoraError("UNSUPPORTED", `${name} is ${dtype}; F32, F16 and BF16 are read`, where);
  const x = toFloat32(file.read(name), dtype);
  const bad = x.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) throw new LoraError("NON_FINITE", `${name}[${bad}] is ${x[bad]}; the adapter is damaged`, where);
  return x;
}
