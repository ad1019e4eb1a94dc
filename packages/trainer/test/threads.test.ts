// The number of threads changes no bit of a run.
import { join } from "node:path";
import { setThreads as setKernelThreads, threads } from "@qlora/kernels";
import { setThreads as setNf4Threads } from "@qlora/nf4";
import { setThreads as setOptimThreads } from "@qlora/paged-optim";
import { afterAll, expect, test } from "vitest";
import { folder, makeModel, result, tinyRun, train } from "./shared.js";

const before = threads();
afterAll(() => {
  for (const set of [setKernelThreads, setNf4Threads, setOptimThreads]) set(before);
});

test.each([
  { method: "qlora", optimizer: "paged-adamw-8bit" },
  { method: "qlora", compute: "int8" },
  { method: "lora", precision: "bf16" },
  { method: "full" },
] as const)("20 steps on 1, 2, 3, 4 and 8 threads: $method $optimizer $compute", async (mode) => {
  const dir = folder();
  makeModel(join(dir, "model"), { hidden: 128, intermediate: 320, layers: 2, heads: 4, kvHeads: 2 });
  const options = tinyRun(dir, {
    ...mode,
    loraR: 16,
    batchSize: 4,
    gradientAccumulation: 1,
    maxSteps: 20,
    saveSteps: 0,
    evalSteps: 10,
    learningRate: 1e-3,
  });
  await train({ ...options, threads: 1 });
  const expected = result(options.output, 20);
  for (const threads of [1, 2, 3, 4, 8]) {
    const output = join(dir, `threads-${threads}`);
    await train({ ...options, threads, output });
    expect(result(output, 20)).toEqual(expected);
  }
});
