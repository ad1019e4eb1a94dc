// A LLaMA-shaped model with random weights in NF4, embedding and head in bf16 as checkpoints have them, and adapters to train.

import { preferHugePages, ropeTables, toBf16 } from "@qlora/kernels";
import { createAdapter } from "@qlora/lora";
import { quantize, tile } from "@qlora/nf4";
import {
  type Layer,
  type Linear,
  linearKeys,
  linearName,
  linearShape,
  type Model,
  type ModelConfig,
  parseModelConfig,
} from "@qlora/transformer";
import { normals } from "./case.js";

export interface Shape {
  hidden: number;
  layers: number;
  ffn: number;
  heads: number;
  vocab: number;
}

/** `config.json` of a model without weights that are tied. */
export function configJson({ hidden, layers, ffn, heads, vocab }: Shape, maxPositions: number) {
  return {
    architectures: ["LlamaForCausalLM"],
    model_type: "llama",
    hidden_size: hidden,
    intermediate_size: ffn,
    num_hidden_layers: layers,
    num_attention_heads: heads,
    vocab_size: vocab,
    max_position_embeddings: maxPositions,
    rms_norm_eps: 1e-5,
    tie_word_embeddings: false,
  };
}

export function modelConfig(shape: Shape, maxPositions = 8192): ModelConfig {
  return parseModelConfig(configJson(shape, maxPositions));
}

/** Every linear layer quantised from its own normal weights, one at a time. */
export function randomModel(config: ModelConfig, rank: number): Model {
  const { hiddenSize: d, vocabSize, headDim, maxPositions: positions } = config;
  const largest = Math.max(...linearKeys.map((key) => linearShape(config, key).reduce((a, b) => a * b, 1)));
  const memory = new ArrayBuffer(Math.max(4 * largest, 2 * vocabSize * d)); // the embedding's in the end, so that nothing is left over
  const one = new Float32Array(memory, 0, largest);
  const linear = (layer: number, key: (typeof linearKeys)[number]): Linear => {
    const [n, k] = linearShape(config, key);
    const name = linearName(layer, key);
    const weight = {
      kind: "4bit" as const,
      n,
      k,
      data: tile(quantize(normals(n * k, 1 / Math.sqrt(k), layer * 7 + 1, one.subarray(0, n * k)), { shape: [n, k] })),
    };
    return rank
      ? { name, weight, adapter: createAdapter({ inFeatures: k, outFeatures: n, r: rank, alpha: 16, seed: 1, name }) }
      : { name, weight };
  };
  const norm = (name: string) => ({ name, weight: new Float32Array(d).fill(1) });
  const layers = Array.from({ length: config.layers }, (_, i): Layer => {
    const parts = Object.fromEntries(linearKeys.map((key) => [key, linear(i, key)])) as Pick<
      Layer,
      (typeof linearKeys)[number]
    >;
    return {
      ...parts,
      inputNorm: norm(`model.layers.${i}.input_layernorm`),
      postAttentionNorm: norm(`model.layers.${i}.post_attention_layernorm`),
    };
  });
  const dense = (name: string, seed: number, data = preferHugePages(new Uint16Array(vocabSize * d))): Linear => {
    const part = new Float32Array(2 ** 20);
    for (let at = 0; at < data.length; at += part.length) {
      const n = Math.min(part.length, data.length - at);
      toBf16(normals(n, 0.02, seed + at, part), data.subarray(at), { n });
    }
    return { name, weight: { kind: "dense", n: vocabSize, k: d, data } };
  };
  return {
    config,
    device: "cpu",
    precision: "nf4",
    compute: "f32",
    embedding: dense("embedding", 5, new Uint16Array(memory, 0, vocabSize * d)),
    layers,
    norm: norm("norm"),
    head: dense("head", 6),
    rope: ropeTables({ positions, headDim, theta: 10000 }),
  };
}

export const describe = ({ hidden, layers, ffn, vocab }: Shape) => `${hidden} × ${layers}, ffn ${ffn}, vocab ${vocab}`;
/** Weights in the linear layers of the blocks. */
export const linearWeights = (config: ModelConfig) =>
  config.layers * linearKeys.reduce((sum, key) => sum + linearShape(config, key).reduce((a, b) => a * b, 1), 0);

/** What the arrays of a model are for, in the names of a profile. */
export function roleNames(model: Model): Map<unknown, string> {
  const roles = new Map<unknown, string>([[model.head.weight.data, "head"]]);
  for (const layer of model.layers)
    for (const key of linearKeys) {
      const { weight, adapter } = layer[key];
      if (weight.kind === "4bit") roles.set("layout" in weight.data ? weight.data.tiles : weight.data.codes, "4 bits");
      if (!adapter) continue;
      for (const array of [adapter.a, adapter.gradA]) roles.set(array, "adapter A");
      for (const array of [adapter.b, adapter.gradB]) roles.set(array, "adapter B");
    }
  return roles;
}
