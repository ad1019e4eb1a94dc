// qlora estimate: memory of a run, part by part, before anything is loaded.
import { estimateMemory, trainSchema } from "@qlora/trainer";
import { modelParameters, readModelConfig } from "@qlora/transformer";
import { z } from "zod";
import { command } from "../command.js";
import { UsageError } from "../errors.js";
import { shapeNames, shapeOf } from "../shapes.js";
import { mappedPart } from "../show-event.js";
import { result, say, table } from "../terminal.js";
import { byteSize } from "../units.js";

const {
  method,
  precision,
  blockSize,
  doubleQuant,
  mapWeights,
  loraDropout,
  loraTargetModules,
  optimizer,
  optimizerMemory,
  gradientCheckpointing,
} = trainSchema.shape;

/** Parts that are not tensors. */
const ownProcess = new Set(["process", "garbage"]);

export const estimateCommand = command({
  name: "estimate",
  summary: "memory that training will need, part by part",
  schema: z.strictObject({
    model: z.string().min(1).optional().describe("folder of a model; only its config.json is read"),
    shape: z.enum(shapeNames).optional().describe("or the shape of a known model"),
    rank: z.number().int().positive().default(64).describe("rank of the adapters"),
    seq: z.number().int().positive().default(512).describe("tokens per sequence"),
    batch: z.number().int().positive().default(1).describe("sequences per forward pass"),
    method,
    precision,
    blockSize,
    doubleQuant,
    mapWeights,
    loraDropout,
    loraTargetModules,
    optimizer,
    optimizerMemory,
    gradientCheckpointing,
    device: z.enum(["cpu", "cuda"]).default("cpu").describe("whose memory; cuda counts tensors only"),
    json: z.boolean().default(false).describe("one JSON object on stdout"),
  }),
  examples: ["qlora estimate --shape llama-7b --rank 64 --seq 512", "qlora estimate --model my-model --method full"],
  run({ model, shape, rank, seq, batch, device, json, ...rest }) {
    if ((model === undefined) === (shape === undefined)) throw new UsageError("give --model DIR or --shape NAME");
    const config = model === undefined ? shapeOf(shape!) : readModelConfig(model);
    const tokens = seq * batch;
    if (seq > config.maxPositions)
      throw new UsageError(`--seq ${seq} is longer than the model's context of ${config.maxPositions}`);
    const all = estimateMemory({ model: config, config: { ...rest, loraR: rank }, tokens });
    const parts = device === "cuda" ? all.parts.filter(({ name }) => !ownProcess.has(name)) : all.parts;
    const total = parts.reduce((sum, { bytes }) => sum + bytes, 0);
    if (device === "cuda")
      say("These are the tensors alone, as the CPU lays them out; training on a GPU is not available yet.");
    const rows = [...parts, ...mappedPart(all)].map(({ name, bytes, note }) => [
      name,
      byteSize(bytes).padStart(9),
      note,
    ]);
    const parameters = modelParameters(config);
    result(
      json,
      { device, parameters, tokens, parts, total, mapped: all.mapped },
      table([...rows, ["total", byteSize(total).padStart(9), `${(parameters / 1e9).toPrecision(3)} G parameters`]]),
    );
  },
});
