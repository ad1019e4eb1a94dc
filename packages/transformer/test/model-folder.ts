// A small random model on disk, in Hugging Face's layout, for tests that read, damage and write folders.
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { initModel, parseModelConfig, saveWeights } from "../src/index.js";
import { normals } from "./random.js";

export const json = {
  architectures: ["LlamaForCausalLM"],
  model_type: "llama",
  hidden_size: 64,
  intermediate_size: 128,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  vocab_size: 96,
  max_position_embeddings: 64,
  rms_norm_eps: 1e-5,
  rope_theta: 10000,
  hidden_act: "silu",
  tie_word_embeddings: false,
  bos_token_id: 1,
  eos_token_id: 2,
  torch_dtype: "bfloat16",
};

/** Makes the folder and returns its path; `edit` changes config.json. */
export function modelFolder(edit: Record<string, unknown> = {}, dtype: "F32" | "F16" | "BF16" = "BF16"): string {
  const dir = mkdtempSync(join(tmpdir(), "qlora-model-"));
  mkdirSync(dir, { recursive: true });
  const model = initModel(parseModelConfig(json), normals(11));
  saveWeights(model, join(dir, "model.safetensors"), dtype);
  writeFileSync(join(dir, "config.json"), JSON.stringify({ ...json, ...edit }));
  return dir;
}
