// qlora merge: an adapter folded into its base, as an ordinary model folder.
import { trainSchema } from "@qlora/trainer";
import { mergeModel, readModelConfig } from "@qlora/transformer";
import { z } from "zod";
import { readAdapter } from "../adapter.js";
import { command } from "../command.js";
import { result } from "../terminal.js";
import { setThreads, threadsOption } from "../threads.js";

const { blockSize, doubleQuant } = trainSchema.shape;

const dtypes = { f32: "F32", bf16: "BF16", f16: "F16" } as const;

export const mergeCommand = command({
  name: "merge",
  summary: "fold an adapter into its base model",
  schema: z.strictObject({
    model: z.string().min(1).describe("folder of the base model"),
    adapter: z.string().min(1).describe("folder of the PEFT adapter"),
    output: z.string().min(1).describe("folder to write; must not hold files yet"),
    through: z
      .enum(["none", "nf4", "fp4"])
      .default("none")
      .describe("round the base through this codec first, as it was while the adapter was trained"),
    blockSize: blockSize.describe("block size of that codec"),
    doubleQuant: doubleQuant.describe("double quantisation of that codec"),
    dtype: z.enum(["f32", "bf16", "f16"]).optional().describe("what to write; default as the base model"),
    threads: threadsOption,
    json: z.boolean().default(false).describe("one JSON object on stdout"),
  }),
  examples: ["qlora merge --model my-model --adapter runs/mine --output my-model-tuned"],
  run({ model, adapter, output, through, blockSize, doubleQuant, dtype, threads, json }) {
    setThreads(threads);
    const adapters = readAdapter(adapter, readModelConfig(model));
    const rounding = through === "none" ? undefined : { codebook: through, blockSize, doubleQuant };
    mergeModel(model, adapters, output, rounding, dtype && dtypes[dtype]);
    result(json, { output, through, modules: adapters.size }, `${output}: ${adapters.size} adapters merged`);
  },
});
