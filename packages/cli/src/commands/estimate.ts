// qlora estimate: memory of a run, part by part, before anything is loaded.
import { estimateDeviceMemory, estimateMemory, parseByteSize, trainSchema } from "@qlora/trainer";
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
  gpuMemory,
  gradientCheckpointing,
  activationMemory,
} = trainSchema.shape;

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
    gpuMemory,
    gradientCheckpointing,
    activationMemory,
    device: z.enum(["cpu", "cuda"]).default("cpu").describe("whose memory"),
    json: z.boolean().default(false).describe("one JSON object on stdout"),
  }),
  examples: [
    "qlora estimate --shape llama-7b --rank 64 --seq 512",
    "qlora estimate --shape 33b --device cuda --gpu-memory 24GiB",
  ],
  run({ model, shape, rank, seq, batch, device, gpuMemory, json, ...rest }) {
    if ((model === undefined) === (shape === undefined)) throw new UsageError("give --model DIR or --shape NAME");
    const config = model === undefined ? shapeOf(shape!) : readModelConfig(model);
    const tokens = seq * batch;
    if (seq > config.maxPositions)
      throw new UsageError(`--seq ${seq} is longer than the model's context of ${config.maxPositions}`);
    const input = { model: config, config: { ...rest, loraR: rank }, tokens, longest: seq };
    const limit = gpuMemory === undefined ? undefined : parseByteSize(gpuMemory);
    const estimate =
      device === "cpu"
        ? estimateMemory(input)
        : estimateDeviceMemory({ ...input, ...(limit === undefined ? {} : { gpuMemory: limit }) });
    const { parts, total } = estimate;
    if (device === "cuda") say("Sizes of what the GPU will hold; no peak of a run on a GPU was measured yet.");
    if (device === "cuda" && limit !== undefined && total > limit)
      say(`More than --gpu-memory ${gpuMemory}: a smaller model, rank, batch or sequence would fit.`);
    const rows = [...parts, ...mappedPart(estimate)].map(({ name, bytes, note }) => [
      name,
      byteSize(bytes).padStart(9),
      note,
    ]);
    const parameters = modelParameters(config);
    result(
      json,
      { device, parameters, tokens, ...estimate },
      table([...rows, ["total", byteSize(total).padStart(9), `${(parameters / 1e9).toPrecision(3)} G parameters`]]),
    );
  },
});
