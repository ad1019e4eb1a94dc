// A LLaMA of random weights as a folder of files, written a tensor at a time: for sizes in bytes and in memory, not for what it says.
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { writeSafetensors } from "@qlora/safetensors";
import { parseModelConfig, tensorShapes } from "@qlora/transformer";
import { baseModel } from "../paths.js";

export interface Shape {
  hidden: number;
  ffn: number;
  layers: number;
  vocab: number;
}

/** Writes config.json, model.safetensors in BF16 and the base model's tokenizer (1024 ids) into `dir`. */
export function writeRandomCheckpoint(dir: string, { hidden, ffn, layers, vocab }: Shape): void {
  const config = {
    architectures: ["LlamaForCausalLM"],
    model_type: "llama",
    hidden_size: hidden,
    intermediate_size: ffn,
    num_hidden_layers: layers,
    num_attention_heads: hidden / 64,
    vocab_size: vocab,
    max_position_embeddings: 512,
    rms_norm_eps: 1e-5,
    bos_token_id: 0,
    eos_token_id: 1,
    torch_dtype: "bfloat16",
  };
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, "config.json"), JSON.stringify(config));
  for (const name of ["tokenizer.json", "tokenizer_config.json"]) copyFileSync(join(baseModel, name), join(dir, name));
  const tensors = [...tensorShapes(parseModelConfig(config))].map(([name, shape]) => ({
    name,
    dtype: "BF16" as const,
    shape,
    data: () =>
      randomWords(
        shape.reduce((a, b) => a * b, 1),
        shape.length === 1,
      ),
  }));
  writeSafetensors(join(dir, "model.safetensors"), tensors, { metadata: { format: "pt" } });
}

/** bf16 words: ones of a norm; else a sum of four uniforms, near normal, of standard deviation 0.02. */
function randomWords(length: number, ones: boolean): Uint16Array {
  if (ones) return new Uint16Array(length).fill(0x3f80);
  const out = new Uint16Array(length);
  const f32 = new Float32Array(1);
  const bits = new Uint32Array(f32.buffer);
  let state = length >>> 0;
  for (let i = 0; i < length; i++) {
    let sum = 0;
    for (let j = 0; j < 4; j++) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      sum += state;
    }
    f32[0] = (sum / 2 ** 32 - 2) * 0.02 * Math.sqrt(3);
    out[i] = bits[0]! >>> 16;
  }
  return out;
}
