// qlora quantize: a 4-bit checkpoint in the layout of bitsandbytes.
import { trainSchema } from "@qlora/trainer";
import { quantizeModel } from "@qlora/transformer";
import { z } from "zod";
import { command } from "../command.js";
import { progress } from "../progress.js";
import { result } from "../terminal.js";
import { setThreads, threadsOption } from "../threads.js";
import { byteSize } from "../units.js";

const { blockSize, doubleQuant } = trainSchema.shape;

export const quantizeCommand = command({
  name: "quantize",
  summary: "write a model with its linear layers in 4 bits",
  schema: z.strictObject({
    model: z.string().min(1).describe("folder of the model"),
    output: z.string().min(1).describe("folder to write; must not hold files yet"),
    codebook: z.enum(["nf4", "fp4"]).default("nf4").describe("the sixteen values of a code"),
    blockSize,
    doubleQuant,
    threads: threadsOption,
    json: z.boolean().default(false).describe("one JSON object on stdout"),
  }),
  examples: ["qlora quantize --model my-model --output my-model-nf4"],
  run({ model, output, json, threads, ...options }) {
    setThreads(threads);
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
      { output, ...options, bytesBefore: before, bytesAfter: after },
      `${output}: ${byteSize(after)}, from ${byteSize(before)}`,
    );
  },
});
