// Writing models: full precision (after full fine-tuning or merging) and bitsandbytes 4-bit directories.
import {
  accessSync,
  constants,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
} from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { toBf16 } from "@qlora/kernels";
import { type Adapter, mergeInto } from "@qlora/lora";
import { type Codebook, dequantize, quantize, toBitsandbytes } from "@qlora/nf4";
import {
  float32ToFloat16,
  openCheckpoint,
  type TensorData,
  writeFileAtomic,
  writeSafetensors,
} from "@qlora/safetensors";
import { readModelConfig } from "./config.js";
import { toHost } from "./device.js";
import { ModelError } from "./error.js";
import { linearKeys, linearName, type Model, tensorShapes } from "./model.js";
import { checkpointSource, type Source } from "./source.js";
import { toFloat32 } from "./weight.js";

const companions = [
  "tokenizer.json",
  "tokenizer_config.json",
  "tokenizer.model",
  "special_tokens_map.json",
  "added_tokens.json",
  "chat_template.jinja",
  "generation_config.json",
];

/**
 * Fills a folder all at once: `write` gets a temporary sibling, which takes the name `dir` only when it returns. A folder
 * that already holds files is refused; a failure leaves nothing behind.
 */
export function writeFolder(dir: string, write: (temporary: string) => void): void {
  checkFolder(dir);
  sweep(dir);
  const temporary = `${resolve(dir)}.tmp-${process.pid}`;
  try {
    mkdirSync(temporary, { recursive: true });
    write(temporary);
    if (existsSync(dir)) rmdirSync(dir);
    renameSync(temporary, dir);
  } catch (error) {
    rmSync(temporary, { recursive: true, force: true });
    throw error;
  }
}

/** Fails before the work where `writeFolder` could not write after it. @throws {ModelError} OUTPUT_EXISTS or NOT_WRITABLE */
export function checkFolder(dir: string): void {
  if (existsSync(dir)) {
    if (!statSync(dir).isDirectory())
      throw new ModelError("OUTPUT_EXISTS", `${dir} is a file; name a folder as output`);
    if (readdirSync(dir).length > 0)
      throw new ModelError("OUTPUT_EXISTS", `${dir} exists and is not empty; name another output or remove it first`);
  }
  let parent = dirname(resolve(dir));
  while (!existsSync(parent)) parent = dirname(parent);
  if (!statSync(parent).isDirectory())
    throw new ModelError("NOT_WRITABLE", `${dir} cannot be made: ${parent} is a file; name another output`);
  try {
    accessSync(parent, constants.W_OK);
  } catch {
    throw new ModelError("NOT_WRITABLE", `${dir} cannot be made: no permission to write in ${parent}`);
  }
}

/** Removes what processes left behind that were killed while they filled this folder. */
function sweep(dir: string): void {
  const parent = dirname(resolve(dir));
  if (!existsSync(parent)) return;
  for (const name of readdirSync(parent)) {
    const [, pid] = name.startsWith(`${basename(resolve(dir))}.tmp-`) ? (/\.tmp-(\d+)$/.exec(name) ?? []) : [];
    if (pid !== undefined && !isAlive(Number(pid))) rmSync(join(parent, name), { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0); // asks, sends nothing
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** Copies what belongs to a model besides its weights and config (tokenizer, templates). */
export function copyCompanions(from: string, to: string): void {
  for (const name of companions) if (existsSync(join(from, name))) copyFileSync(join(from, name), join(to, name));
}

/** A JSON file changed by `edit`, written atomically with two spaces of indentation. */
function writeConfig(from: string, to: string, edit: (json: Record<string, unknown>) => void): void {
  const json = JSON.parse(readFileSync(join(from, "config.json"), "utf8"));
  edit(json);
  writeFileAtomic(join(to, "config.json"), `${JSON.stringify(json, null, 2)}\n`);
}

const shortDtype = { float32: "f32", float16: "f16", bfloat16: "bf16" } as const;
const longDtype = { F32: "float32", F16: "float16", BF16: "bfloat16" } as const;
type FullDtype = keyof typeof longDtype;

function encode(data: Float32Array, dtype: FullDtype): ArrayBufferView {
  if (dtype === "F32") return data;
  if (dtype === "F16") return float32ToFloat16(data);
  const out = new Uint16Array(data.length);
  toBf16(data, out, { n: data.length });
  return out;
}

/** Writes `model.safetensors` of a model in memory, adapters left out. */
export function saveWeights(model: Model, path: string, dtype: FullDtype): void {
  const byName = new Map<string, () => Float32Array>();
  byName.set("model.embed_tokens.weight", () => toFloat32(model.embedding.weight));
  model.layers.forEach((layer, i) => {
    for (const key of linearKeys) byName.set(`${linearName(i, key)}.weight`, () => toFloat32(layer[key].weight));
    byName.set(`${layer.inputNorm.name}.weight`, () => toHost(layer.inputNorm.weight as Float32Array));
    byName.set(`${layer.postAttentionNorm.name}.weight`, () => toHost(layer.postAttentionNorm.weight as Float32Array));
  });
  byName.set("model.norm.weight", () => toHost(model.norm.weight as Float32Array));
  byName.set("lm_head.weight", () => toFloat32(model.head.weight));
  const tensors = Array.from(
    tensorShapes(model.config),
    ([name, shape]): TensorData => ({ name, dtype, shape, data: () => encode(byName.get(name)!(), dtype) }),
  );
  writeSafetensors(path, tensors, { metadata: { format: "pt" } });
}

/** Writes a full-precision model folder: the weights of `model`, the config and tokenizer of `from`. */
export function saveModel(model: Model, from: string, to: string, dtype: FullDtype = "F32"): void {
  writeFolder(to, (dir) => {
    copyCompanions(from, dir);
    writeConfig(from, dir, (json) => {
      delete json.quantization_config;
      delete json.dtype;
      json.torch_dtype = longDtype[dtype];
    });
    saveWeights(model, join(dir, "model.safetensors"), dtype);
  });
}

/**
 * Merges adapters into a model folder: W + s·B·A in f32, written as `dtype`, by default the checkpoint's. 4-bit tensors are dequantised.
 * With `through` the 16-bit weights first make the round trip through that codec, so that the merged model computes what
 * was trained (the adapter learned against the rounded weights).
 */
export function mergeModel(
  from: string,
  adapters: Map<string, Adapter>,
  to: string,
  through?: { codebook: Codebook; blockSize: number; doubleQuant: boolean },
  dtype?: FullDtype,
): void {
  checkFolder(to);
  const config = readModelConfig(from);
  using checkpoint = openCheckpoint(from);
  const source = checkpointSource(checkpoint, config);
  const stored = { float32: "F32", float16: "F16", bfloat16: "BF16" } as const;
  const written: FullDtype = dtype ?? stored[config.dtype];
  const tensors = Array.from(tensorShapes(config), ([name, shape]): TensorData => {
    const adapter = adapters.get(name.replace(/\.weight$/, ""));
    const isLinear = shape.length === 2 && name.startsWith("model.layers.");
    return {
      name,
      dtype: written,
      shape,
      data: () => {
        let weight = fullPrecision(source, name);
        if (through && isLinear && !source.quantized(name))
          weight = dequantize(quantize(weight, { shape, ...through })) as Float32Array;
        if (adapter) mergeInto(weight, adapter);
        return encode(weight, written);
      },
    };
  });
  writeFolder(to, (dir) => {
    copyCompanions(from, dir);
    writeConfig(from, dir, (json) => {
      delete json.quantization_config;
      if (dtype) Object.assign(json, { dtype: undefined, torch_dtype: longDtype[dtype] });
    });
    writeSafetensors(join(dir, "model.safetensors"), tensors, { metadata: { format: "pt" } });
  });
}

function fullPrecision(source: Source, name: string): Float32Array {
  const stored = source.quantized(name);
  if (stored) return dequantize(stored) as Float32Array;
  const data = source.dense(name);
  return data instanceof Float32Array ? data : toFloat32({ kind: "dense", n: 1, k: data.length, data });
}

export interface QuantizeOptions {
  codebook?: "nf4" | "fp4";
  blockSize?: number;
  doubleQuant?: boolean;
  onProgress?: (done: number, total: number) => void;
}

/** Writes a folder whose blocks' linear layers are in 4 bits, in the layout that transformers and bitsandbytes read. */
export function quantizeModel(
  from: string,
  to: string,
  options: QuantizeOptions = {},
): { before: number; after: number } {
  const { codebook = "nf4", blockSize = 64, doubleQuant = true, onProgress } = options;
  checkFolder(to);
  const config = readModelConfig(from);
  using checkpoint = openCheckpoint(from);
  const source = checkpointSource(checkpoint, config);
  const tensors: TensorData[] = [];
  const shapes = tensorShapes(config);
  let [before, done] = [0, 0];
  for (const [name, shape] of shapes) {
    const { dtype, begin, end } = checkpoint.tensors.get(name)!;
    before += end - begin;
    if (source.quantized(name))
      throw new ModelError(
        "DTYPE_UNSUPPORTED",
        `${from}: ${name} is already in 4 bits; quantise the original checkpoint`,
      );
    if (shape.length === 2 && name.startsWith("model.layers.")) {
      const q = quantize(source.borrow(name), { shape, codebook, blockSize, doubleQuant });
      for (const [key, tensor] of toBitsandbytes(q, name.replace(/\.weight$/, ""), { dtype: shortDtype[config.dtype] }))
        tensors.push({ name: key, ...tensor });
    } else tensors.push({ name, dtype, shape, data: () => checkpoint.read(name) });
    onProgress?.(++done, shapes.size);
  }
  writeFolder(to, (dir) => {
    copyCompanions(from, dir);
    writeConfig(from, dir, (json) => {
      json.quantization_config = quantizationConfig(config.dtype, codebook, doubleQuant);
    });
    writeSafetensors(join(dir, "model.safetensors"), tensors, { metadata: { format: "pt" } });
  });
  return { before, after: statSync(join(to, "model.safetensors")).size };
}

/**
 * config.json's `quantization_config` as transformers writes it for a bitsandbytes 4-bit model, but for `llm_int8_threshold`: transformers
 * takes no integer there, and JSON has no other 6 in JavaScript. It holds for 8 bits only.
 */
function quantizationConfig(dtype: string, codebook: string, doubleQuant: boolean): Record<string, unknown> {
  return {
    _load_in_4bit: true,
    _load_in_8bit: false,
    bnb_4bit_compute_dtype: dtype,
    bnb_4bit_quant_storage: "uint8",
    bnb_4bit_quant_type: codebook,
    bnb_4bit_use_double_quant: doubleQuant,
    llm_int8_enable_fp32_cpu_offload: false,
    llm_int8_has_fp16_weight: false,
    llm_int8_skip_modules: null,
    load_in_4bit: true,
    load_in_8bit: false,
    quant_method: "bitsandbytes",
  };
}
