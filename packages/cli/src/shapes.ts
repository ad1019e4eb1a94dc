// Shapes of known models, for estimates without their files.
import type { ModelConfig } from "@qlora/transformer";

const llama = (hiddenSize: number, intermediateSize: number, layers: number, heads: number): ModelConfig => ({
  architecture: "LlamaForCausalLM",
  hiddenSize,
  intermediateSize,
  layers,
  heads,
  kvHeads: heads,
  headDim: 128,
  vocabSize: 32000,
  maxPositions: 2048,
  normEps: 1e-6,
  ropeTheta: 10000,
  tiedHead: false,
  bosTokenId: 1,
  eosTokenIds: [2],
  dtype: "bfloat16",
});

/** LLaMA (Touvron et al. 2023, Table 2); embedding and head in bf16. */
const sizes = {
  "7b": llama(4096, 11008, 32, 32),
  "13b": llama(5120, 13824, 40, 40),
  "33b": llama(6656, 17920, 60, 52),
  "65b": llama(8192, 22016, 80, 64),
};

export const shapeNames = ["llama-7b", "llama-13b", "llama-33b", "llama-65b", "7b", "13b", "33b", "65b"] as const;

/** The shape of a name, "llama-7b" or "7b" for short. */
export function shapeOf(name: (typeof shapeNames)[number]): ModelConfig {
  return sizes[name.replace("llama-", "") as keyof typeof sizes];
}
