// The estimate of memory against what processes really took at their peak, and what happens where a run does not fit.
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { DoneEvent, TrainOptions } from "../src/index.js";
import { folder, makeData, makeModel, type Shape, tinyRun, trainProcess } from "./shared.js";

const shapes = {
  small: { hidden: 64, intermediate: 192, layers: 2, heads: 2, kvHeads: 1 },
  middle: { hidden: 256, intermediate: 704, layers: 4, heads: 4, kvHeads: 4, vocab: 8000, dtype: "F32" },
  wide: { hidden: 512, intermediate: 1408, layers: 4, heads: 8, kvHeads: 4, vocab: 16000 },
  deep: { hidden: 256, intermediate: 1024, layers: 8, heads: 8, kvHeads: 2, vocab: 2000, tied: false, dtype: "F16" },
  words: { hidden: 256, intermediate: 512, layers: 2, heads: 4, kvHeads: 4, vocab: 32000, tied: false },
} satisfies Record<string, Shape>;

const configurations: [keyof typeof shapes, Partial<TrainOptions>][] = [
  ["small", {}],
  ["middle", { batchSize: 16, activationMemory: 0 }],
  ["middle", { method: "full", learningRate: 1e-4 }],
  ["middle", { method: "lora", precision: "f32", loraR: 8, optimizer: "adamw-8bit" }],
  ["wide", {}],
  ["wide", { method: "lora", batchSize: 8, optimizer: "lion-32bit" }],
  ["wide", { loraR: 128, loraDropout: 0, optimizerMemory: 8 }],
  ["wide", { gradientCheckpointing: false, batchSize: 32, loraR: 16 }],
  ["wide", { loraR: 4, loraTargetModules: "q_proj,v_proj", batchSize: 4 }],
  ["deep", { batchSize: 32, activationMemory: 24 }],
  ["deep", { method: "lora", precision: "bf16", gradientCheckpointing: false, batchSize: 16 }],
  ["deep", { precision: "fp4", doubleQuant: false, loraR: 32, optimizer: "adamw-8bit" }],
  ["deep", { precision: "int8", loraR: 16 }],
  ["words", { batchSize: 32, trainOnSource: true }],
  ["words", { method: "full", learningRate: 1e-4 }],
  ["words", { method: "lora", batchSize: 8, mapWeights: true }],
];

test("the peak is the run's own, whatever held memory when it was started", { timeout: 120_000 }, () => {
  const held = new Uint8Array(400 * 2 ** 20).fill(1);
  const done = trainProcess(tinyRun(folder(), { maxSteps: 1 })).events.at(-1);
  if (done?.type !== "done") throw new Error(JSON.stringify(done));
  expect(done.peakBytes).toBeLessThan(held.length / 2);
});

describe("the estimate is within 10 % of the peak", () => {
  test.each(configurations)("%s %o", { timeout: 120_000 }, (shape, options) => {
    const dir = folder();
    makeModel(join(dir, "model"), shapes[shape]);
    makeData(join(dir, "data.jsonl"), 48);
    const run = tinyRun(dir, { threads: 2, loraR: 64, batchSize: 2, maxSteps: 3, saveSteps: 2, ...options });
    const { events, stderr } = trainProcess(run);
    const done = events.at(-1);
    if (done?.type !== "done") throw new Error(`${JSON.stringify(done)}${stderr}`);
    check(done, `${shape} ${JSON.stringify(options)}`);
  });

  test("a resumed run too", { timeout: 120_000 }, () => {
    const dir = folder();
    makeModel(join(dir, "model"), shapes.wide);
    makeData(join(dir, "data.jsonl"), 48);
    const run = tinyRun(dir, { threads: 2, loraR: 64, batchSize: 2, maxSteps: 2 });
    expect(trainProcess(run).status).toBe(0);
    const done = trainProcess({ ...run, maxSteps: 4, resume: "auto" }).events.at(-1);
    if (done?.type !== "done") throw new Error(JSON.stringify(done));
    check(done, "resumed");
  });

  function check(done: DoneEvent, what: string): void {
    const ratio = done.expectedBytes / done.peakBytes;
    console.log(
      `${what}: expected ${Math.round(done.expectedBytes / 2 ** 20)} MiB, peak ${Math.round(done.peakBytes / 2 ** 20)} MiB, ratio ${ratio.toFixed(3)}`,
    );
    expect(ratio).toBeGreaterThan(0.9);
    expect(ratio).toBeLessThan(1.1);
  }
});
