// A decoder as data: its weights under Hugging Face's names, and what can be trained in it.
import type { Adapter } from "@qlora/lora";
import * as nf4 from "@qlora/nf4";
import type { ModelConfig } from "./config.js";
import { type Device, type Floats, free, hostAdapter, isF32, place, zeros } from "./device.js";
import { type Compute, type Precision, toFloat32, type Weight, weightBytes } from "./weight.js";

/** A linear layer of a block; `name` is its module path, e.g. `model.layers.0.self_attn.q_proj`. */
export interface Linear {
  name: string;
  weight: Weight;
  adapter?: Adapter<Floats>;
}

/** The weight [d] of an RMSNorm, with its gradient when it trains. */
export interface Norm {
  name: string;
  weight: Floats;
  grad?: Floats;
}

/** One decoder block. */
export interface Layer {
  inputNorm: Norm;
  q: Linear;
  k: Linear;
  v: Linear;
  o: Linear;
  postAttentionNorm: Norm;
  gate: Linear;
  up: Linear;
  down: Linear;
}

export interface Model {
  config: ModelConfig;
  /** Where every array of it is. */
  device: Device;
  /** How the linear layers of the blocks are kept. */
  precision: Precision;
  /** How products with frozen weights are computed, pass by pass. */
  compute: Compute;
  embedding: Linear;
  layers: Layer[];
  norm: Norm;
  /** The output projection; the same object as `embedding` where the checkpoint ties them. */
  head: Linear;
  rope: { cos: Floats; sin: Floats };
}

export const linearKeys = ["q", "k", "v", "o", "gate", "up", "down"] as const;
export type LinearKey = (typeof linearKeys)[number];

const modulePath: Record<LinearKey, string> = {
  q: "self_attn.q_proj",
  k: "self_attn.k_proj",
  v: "self_attn.v_proj",
  o: "self_attn.o_proj",
  gate: "mlp.gate_proj",
  up: "mlp.up_proj",
  down: "mlp.down_proj",
};

/** Module path of a linear layer, as in Hugging Face's and PEFT's files. */
export function linearName(layer: number, key: LinearKey): string {
  return `model.layers.${layer}.${modulePath[key]}`;
}

/** [n, k] of a linear layer: n outputs, k inputs. */
export function linearShape(config: ModelConfig, key: LinearKey): [number, number] {
  const { hiddenSize: d, intermediateSize: f, heads, kvHeads, headDim } = config;
  switch (key) {
    case "q":
      return [heads * headDim, d];
    case "k":
    case "v":
      return [kvHeads * headDim, d];
    case "o":
      return [d, heads * headDim];
    case "gate":
    case "up":
      return [f, d];
    case "down":
      return [d, f];
  }
}

/** Every tensor of a checkpoint of this shape, by Hugging Face's name. */
export function tensorShapes(config: ModelConfig): Map<string, number[]> {
  const { hiddenSize: d, vocabSize } = config;
  const shapes = new Map<string, number[]>([["model.embed_tokens.weight", [vocabSize, d]]]);
  for (let layer = 0; layer < config.layers; layer++) {
    for (const key of linearKeys) shapes.set(`${linearName(layer, key)}.weight`, linearShape(config, key));
    shapes.set(`model.layers.${layer}.input_layernorm.weight`, [d]);
    shapes.set(`model.layers.${layer}.post_attention_layernorm.weight`, [d]);
  }
  shapes.set("model.norm.weight", [d]);
  if (!config.tiedHead) shapes.set("lm_head.weight", [vocabSize, d]);
  return shapes;
}

/** Weights of a model of this shape. */
export function modelParameters(config: ModelConfig): number {
  let sum = 0;
  for (const shape of tensorShapes(config).values()) sum += shape.reduce((a, b) => a * b, 1);
  return sum;
}

/** The linear layers of all blocks, in order. */
export function* linears(model: Model): Generator<Linear> {
  for (const layer of model.layers) for (const key of linearKeys) yield layer[key];
}

/** A trainable tensor: `grad` is accumulated into by the backward pass. */
export interface Trainable {
  name: string;
  shape: number[];
  data: Floats;
  grad: Floats;
}

/** What trains, in a fixed order: adapters where there are any, and every tensor that has a gradient. */
export function trainables(model: Model): Trainable[] {
  const list: Trainable[] = [];
  const dense = (name: string, w: Weight) => {
    if (w.kind === "dense" && w.grad && isF32(w.data))
      list.push({ name: `${name}.weight`, shape: [w.n, w.k], data: w.data, grad: w.grad });
  };
  const norm = (n: Norm) => {
    if (n.grad) list.push({ name: `${n.name}.weight`, shape: [n.weight.length], data: n.weight, grad: n.grad });
  };
  dense(model.embedding.name, model.embedding.weight);
  for (const layer of model.layers) {
    norm(layer.inputNorm);
    for (const key of linearKeys) {
      const { name, weight, adapter } = layer[key];
      dense(name, weight);
      if (!adapter || adapter.gradA.length === 0) continue; // absent, or there to be used but not trained
      list.push({ name: `${name}.lora_A.weight`, shape: [adapter.r, weight.k], data: adapter.a, grad: adapter.gradA });
      list.push({ name: `${name}.lora_B.weight`, shape: [weight.n, adapter.r], data: adapter.b, grad: adapter.gradB });
    }
    norm(layer.postAttentionNorm);
  }
  norm(model.norm);
  if (model.head !== model.embedding) dense(model.head.name, model.head.weight);
  return list;
}

/** Gives every tensor a gradient, so that all of them train (full fine-tuning); 16-bit weights become f32. */
export function trainEverything(model: Model): void {
  const dense = ({ name, weight }: Linear) => {
    if (weight.kind !== "dense")
      throw new TypeError(`${name}: full fine-tuning needs f32 weights, this model is kept in ${model.precision}`);
    if (!isF32(weight.data)) {
      const narrow = weight.data;
      weight.data = place(toFloat32(weight), model.device, name);
      free(narrow);
    }
    weight.grad ??= zeros(weight.data.length, model.device);
  };
  const norm = (n: Norm) => {
    n.grad ??= zeros(n.weight.length, model.device);
  };
  dense(model.embedding);
  dense(model.head);
  norm(model.norm);
  for (const layer of model.layers) {
    norm(layer.inputNorm);
    norm(layer.postAttentionNorm);
    for (const key of linearKeys) dense(layer[key]);
  }
}

/** Adapters by module path, as PEFT files name them; copies where the model is on a device. */
export function adapters(model: Model): Map<string, Adapter> {
  const map = new Map<string, Adapter>();
  for (const { name, adapter } of linears(model)) if (adapter) map.set(name, hostAdapter(adapter));
  return map;
}

/** Frees a model that is on a device; nothing to do for one on the CPU. */
export function freeModel({ device, embedding, head, layers, norm, rope }: Model): void {
  if (device === "cpu") return;
  freeParts([
    embedding,
    ...(head === embedding ? [] : [head]),
    norm,
    ...layers.flatMap((layer): (Linear | Norm)[] => Object.values(layer)),
  ]);
  free(rope.cos, rope.sin);
}

/** Frees what some layers have on a device. */
export function freeParts(parts: Iterable<Linear | Norm>): void {
  for (const part of parts) {
    if ("grad" in part) free(part.grad);
    if (!("kind" in part.weight)) {
      free(part.weight);
      continue;
    }
    const { weight, adapter } = part as Linear;
    if (weight.kind === "dense") free(weight.data, weight.grad);
    else if (weight.kind === "4bit" && "device" in weight.data) nf4.freeTensor(weight.data);
    if (adapter) free(adapter.a, adapter.b, adapter.gradA, adapter.gradB);
  }
}

/** Bytes in memory by part. */
export function modelBytes(model: Model): {
  embedding: number;
  linears: number;
  norms: number;
  head: number;
  adapters: number;
} {
  let linearBytes = 0;
  let adapterBytes = 0;
  for (const { weight, adapter } of linears(model)) {
    linearBytes += weightBytes(weight);
    if (adapter) adapterBytes += 2 * 4 * (adapter.a.length + adapter.b.length); // with their gradients
  }
  return {
    embedding: weightBytes(model.embedding.weight),
    linears: linearBytes,
    norms: (2 * model.layers.length + 1) * model.config.hiddenSize * 4,
    head: model.head === model.embedding ? 0 : weightBytes(model.head.weight),
    adapters: adapterBytes,
  };
}
