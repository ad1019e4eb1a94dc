// Every operation but the matrix products and attention on the emulated device, in every order of its threads.
import { emulations, type KernelAddon, leaks } from "@qlora/cuda-runtime";
import { loadAddon } from "@qlora/cuda-runtime/load";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { BF16, compareOnDevice } from "./device.js";
import { operations } from "./operations.js";

const addon = loadAddon<KernelAddon>("kernels.emu", new URL("../src/index.js", import.meta.url).href);

/** Sizes with several blocks, several turns of a block, and ragged ends. */
const larger: Record<string, object> = {
  rmsNorm: { m: 3, d: 2304 },
  rmsNormBackward: { m: 35, d: 1100 },
  rope: { m: 20, heads: 3, headDim: 64 },
  swiglu: { n: 5003 },
  swigluBackward: { n: 5003 },
  crossEntropy: { m: 3, v: 9001 },
  embedding: { m: 9, d: 1500, vocab: 7 },
  embeddingBackward: { m: 140, d: 100, vocab: 3 },
  add: { n: 5003 },
  scale: { n: 5003 },
  dropout: { n: 5003, p: 0.3, seed: 5n, offset: 17 },
};
const tested = operations.filter(({ name }) => name in larger);

describe.each(emulations)("$schedule, $copies copies", ({ schedule, copies }) => {
  beforeAll(() => addon.setEmulation!(schedule, copies, 1));
  describe.each(["f32", "bf16"] as const)("%s", (type) => {
    test.each(tested)("$name", (operation) => {
      const tolerance = type === "bf16" ? BF16 : operation.tolerance;
      for (const before of [8, 3]) {
        fc.assert(
          fc.property(operation.options, (options) =>
            compareOnDevice(operation, options, "cuda-emu", { type, before, tolerance }),
          ),
          { numRuns: 4 },
        );
        compareOnDevice(operation, { ...operation.large, ...larger[operation.name] }, "cuda-emu", {
          type,
          before,
          tolerance,
        });
      }
    });
  });
});

afterAll(() => expect(leaks()).toEqual([]));
