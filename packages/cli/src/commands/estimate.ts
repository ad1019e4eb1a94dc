// qlora estimate: memory of a run, part by part, before anything is loaded.
import { ConfigError, estimateMemory, trainSchema } from "@qlora/trainer";
import { type ModelConfig, readModelConfig } from "@qlora/transformer";
import { z } from "zod";
import { command, result, table } from "../command.js";
import { byteSize } from "../progress.js";

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

/** LLaMA's shapes (Touvron et al. 2023, Table 2); embedding and head in bf16. */
export const shapes = {
  "llama-7b": llama(4096, 11008, 32, 32),
  "llama-13b": llama(5120, 13824, 40, 40),
  "llama-33b": llama(6656, 17920, 60, 52),
  "llama-65b": llama(8192, 22016, 80, 64),
};

const { method, precision, blockSize, doubleQuant, loraDropout, optimizer, gradientCheckpointing } = trainSchema.shape;

export const estimateCommand = command({
  name: "estimate",
  summary: "memory that training will need, part by part",
  schema: z.strictObject({
    model: z.string().optional().describe("folder of a model; only its config.json is read"),
    shape: z
      .enum(Object.keys(shapes) as [keyof typeof shapes])
      .optional()
      .describe("or the shape of a known model"),
    rank: z.number().int().positive().default(64).describe("rank of the adapters"),
    seq: z.number().int().positive().default(512).describe("tokens per sequence"),
    batch: z.number().int().positive().default(1).describe("sequences per forward pass"),
    method,
    precision,
    blockSize,
    doubleQuant,
    loraDropout,
    optimizer,
    gradientCheckpointing,
    device: z.enum(["cpu", "cuda"]).default("cpu").describe("where to train"),
    json: z.boolean().default(false).describe("one JSON object on stdout"),
  }),
  run({ model, shape, rank, seq, batch, device, json, ...rest }) {
    if ((model === undefined) === (shape === undefined)) throw new ConfigError("give --model DIR or --shape NAME");
    if (device === "cuda")
      throw new ConfigError("--device cuda: training on a GPU is not there yet, so there is nothing to estimate");
    const config = model === undefined ? shapes[shape!] : readModelConfig(model);
    const estimate = estimateMemory({ model: config, config: { ...rest, loraR: rank }, tokens: seq * batch });
    const rows = estimate.parts.map(({ name, bytes, note }) => [name, byteSize(bytes).padStart(9), note]);
    result(json, { device, ...estimate }, table([...rows, ["total", byteSize(estimate.total).padStart(9), ""]]));
  },
});
