// LLaMA-shaped checkpoints of random 4-bit weights in bitsandbytes' layout: of a model in memory, or streamed to disk a tensor at a time.
//
// What is streamed has uniform codes: NF4's levels are quantiles of the normal distribution, so the weights are near normal ones, of
// variance 1/k. Matrices of one shape share their scales; embedding and head repeat one sheet of normals.
import { createCipheriv, createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { levels, nest, type QuantizedTensor, toBitsandbytes } from "@qlora/nf4";
import { float32ToBf16, type TensorData, writeSafetensors } from "@qlora/safetensors";
import {
  hostTensor,
  type Linear,
  linearKeys,
  linearName,
  type Model,
  parseModelConfig,
  tensorShapes,
} from "@qlora/transformer";
import { normals } from "./case.js";
import { configJson, type Shape } from "./random-model.js";

const blockSize = 64;

/** Writes `config.json` and `model.safetensors` into `dir`; `onProgress` hears how many bytes of matrices are written. */
export function writeRandomCheckpoint(dir: string, shape: Shape, onProgress: (bytes: number) => void): void {
  const json = { ...configJson(shape, 2048), torch_dtype: "bfloat16" };
  const byShape = new Map<string, QuantizedTensor>();
  const tensors: TensorData[] = [];
  let written = 0;
  const matrix = (make: () => ArrayBufferView) => () => {
    const data = make();
    written += data.byteLength;
    onProgress(written);
    return data;
  };
  for (const [name, [n, k]] of tensorShapes(parseModelConfig(json))) {
    if (k === undefined)
      tensors.push({ name, dtype: "BF16", shape: [n!], data: float32ToBf16(new Float32Array(n!).fill(1)) });
    else if (!name.startsWith("model.layers."))
      tensors.push({ name, dtype: "BF16", shape: [n!, k], data: matrix(() => repeatedNormals(n! * k)) });
    else {
      const q = byShape.get(`${n} × ${k}`) ?? zeros(n!, k);
      byShape.set(`${n} × ${k}`, q);
      for (const [key, tensor] of toBitsandbytes(q, name.replace(/\.weight$/, "")))
        tensors.push({
          name: key,
          ...tensor,
          data: key === name ? matrix(() => randomBytes(q.codes, name)) : tensor.data,
        });
    }
  }
  writeFolder(dir, json, tensors);
}

/** Writes `config.json` and `model.safetensors` of a random model without its adapters into `dir`, as transformers with bitsandbytes reads them, to compute in f32. */
export function saveFourBits({ config, layers, embedding, norm, head }: Model, shape: Shape, dir: string): void {
  const weights = new Map<string, Linear["weight"] | Float32Array>([
    ["model.embed_tokens", embedding.weight],
    ["model.norm", norm.weight as Float32Array],
    ["lm_head", head.weight],
  ]);
  for (const [i, layer] of layers.entries()) {
    for (const key of linearKeys) weights.set(linearName(i, key), layer[key].weight);
    for (const { name, weight } of [layer.inputNorm, layer.postAttentionNorm])
      weights.set(name, weight as Float32Array);
  }
  const tensors = Array.from(tensorShapes(config)).flatMap(([name, shape]): TensorData[] => {
    const prefix = name.replace(/\.weight$/, "");
    const weight = weights.get(prefix)!;
    if ("kind" in weight && weight.kind === "4bit")
      return Array.from(toBitsandbytes(hostTensor(weight.data), prefix, { dtype: "f32" }), ([name, tensor]) => ({
        name,
        ...tensor,
      }));
    const data = ("kind" in weight ? weight.data : weight) as Float32Array | Uint16Array;
    return [{ name, dtype: data instanceof Uint16Array ? "BF16" : "F32", shape, data }];
  });
  const quantization_config = {
    quant_method: "bitsandbytes",
    load_in_4bit: true,
    bnb_4bit_quant_type: "nf4",
    bnb_4bit_use_double_quant: true,
    bnb_4bit_compute_dtype: "float32",
  };
  writeFolder(dir, { ...configJson(shape, config.maxPositions), torch_dtype: "float32", quantization_config }, tensors);
}

function writeFolder(dir: string, json: object, tensors: TensorData[]): void {
  writeFileSync(join(dir, "config.json"), JSON.stringify(json, null, 2));
  writeSafetensors(join(dir, "model.safetensors"), tensors, { metadata: { format: "pt" } });
}

/** Codes to be filled in, and scales that give uniform codes a variance of 1/k. */
function zeros(n: number, k: number): QuantizedTensor {
  const meanSquare = levels("nf4").reduce((sum, level) => sum + level ** 2, 0) / 16;
  const absmax = new Float32Array((n * k) / blockSize).fill(1 / Math.sqrt(k * meanSquare));
  return {
    codes: new Uint8Array((n * k) / 2),
    shape: [n, k],
    codebook: "nf4",
    blockSize,
    absmax: undefined,
    nested: nest(absmax),
  };
}

/** A keystream of the name: the same bytes every time, as fast as AES. `zeros` stays as it is. */
function randomBytes(zeros: Uint8Array, name: string): Uint8Array {
  const key = createHash("md5").update(name).digest();
  return createCipheriv("aes-128-ctr", key, Buffer.alloc(16)).update(zeros);
}

const sheet = float32ToBf16(normals(2 ** 20, 0.02, 5));

function repeatedNormals(length: number): Uint16Array {
  const out = new Uint16Array(length);
  for (let at = 0; at < length; at += sheet.length) out.set(sheet.subarray(0, length - at), at);
  return out;
}
