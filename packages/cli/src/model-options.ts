// What every command that loads a model shares: its options, and loading it with its adapter and tokenizer.
import { loadTokenizer, type Tokenizer } from "@qlora/data";
import { attachAdapter } from "@qlora/trainer";
import { loadModel, type Model, type Precision } from "@qlora/transformer";
import { z } from "zod";
import { progress } from "./progress.js";

export const modelOptions = {
  model: z.string().min(1).describe("folder of the model"),
  adapter: z.string().optional().describe("folder of a PEFT adapter to use with it"),
  precision: z.enum(["nf4", "fp4", "int8", "bf16", "f32"]).default("f32").describe("how the linear layers are kept"),
  blockSize: z
    .literal([32, 64, 128, 256, 512, 1024, 2048, 4096])
    .default(64)
    .describe("weights that share one scale, in 4 bits"),
  doubleQuant: z.boolean().default(true).describe("quantise the scales too"),
  compute: z.enum(["f32", "int8"]).default("f32").describe("arithmetic of products with 4-bit weights"),
  device: z.enum(["cpu", "cuda", "cuda-emu"]).default("cpu").describe("where to compute"),
  threads: z.number().int().positive().max(1024).optional().describe("threads; default QLORA_THREADS, else all"),
};

export interface LoadedModel {
  model: Model;
  tokenizer: Tokenizer;
}

export function openModel(options: {
  model: string;
  adapter?: string | undefined;
  precision: Precision;
  blockSize: number;
  doubleQuant: boolean;
  compute: "f32" | "int8";
}): LoadedModel {
  const { precision, blockSize, doubleQuant, compute } = options;
  const tokenizer = loadTokenizer(options.model);
  const bar = progress();
  const started = performance.now();
  const model = loadModel(options.model, {
    precision,
    blockSize,
    doubleQuant,
    compute,
    onProgress(done, total) {
      if (performance.now() - started > 1000) bar.update(done, total, `loading ${done}/${total} tensors`);
    },
  });
  bar.end();
  if (options.adapter) attachAdapter(model, options.adapter);
  return { model, tokenizer };
}
