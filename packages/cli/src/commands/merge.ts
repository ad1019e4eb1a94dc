// qlora merge: an adapter folded into its base, as an ordinary model folder.
import { readPeftAdapter } from "@qlora/lora";
import { mergeModel } from "@qlora/transformer";
import { z } from "zod";
import { command, result } from "../command.js";

export const mergeCommand = command({
  name: "merge",
  summary: "fold an adapter into its base model",
  schema: z.strictObject({
    model: z.string().min(1).describe("folder of the base model"),
    adapter: z.string().min(1).describe("folder of the PEFT adapter"),
    output: z.string().min(1).describe("folder to write"),
    through: z
      .enum(["none", "nf4", "fp4"])
      .default("none")
      .describe("round the base through this codec first: the merged model then computes exactly what was trained"),
    blockSize: z.literal([32, 64, 128, 256, 512, 1024, 2048, 4096]).default(64).describe("block size of that codec"),
    doubleQuant: z.boolean().default(true).describe("double quantisation of that codec"),
    json: z.boolean().default(false).describe("one JSON object on stdout"),
  }),
  run({ model, adapter, output, through, blockSize, doubleQuant, json }) {
    const { adapters } = readPeftAdapter(adapter);
    mergeModel(model, adapters, output, through === "none" ? undefined : { codebook: through, blockSize, doubleQuant });
    result(json, { output, modules: adapters.size }, `${output}: ${adapters.size} adapters merged`);
  },
});
