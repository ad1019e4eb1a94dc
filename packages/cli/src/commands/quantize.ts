// qlora quantize: a 4-bit checkpoint in the layout of bitsandbytes.
import { quantizeModel } from "@qlora/transformer";
import { z } from "zod";
import { command, result } from "../command.js";
import { byteSize, progress } from "../progress.js";

export const quantizeCommand = command({
  name: "quantize",
  summary: "write a model's linear layers in 4 bits (bitsandbytes' files)",
  schema: z.strictObject({
    model: z.string().min(1).describe("folder of the model"),
    output: z.string().min(1).describe("folder to write"),
    codebook: z.enum(["nf4", "fp4"]).default("nf4").describe("4-bit values"),
    blockSize: z
      .literal([32, 64, 128, 256, 512, 1024, 2048, 4096])
      .default(64)
      .describe("weights that share one scale"),
    doubleQuant: z.boolean().default(true).describe("quantise the scales too"),
    json: z.boolean().default(false).describe("one JSON object on stdout"),
  }),
  run({ model, output, json, ...options }) {
    const bar = progress();
    const started = performance.now();
    const { before, after } = quantizeModel(model, output, {
      ...options,
      onProgress(done, total) {
        if (performance.now() - started > 1000) bar.update(done, total, `${done}/${total} tensors`);
      },
    });
    bar.end();
    result(
      json,
      { output, bytesBefore: before, bytesAfter: after },
      `${output}: ${byteSize(after)}, from ${byteSize(before)}`,
    );
  },
});
