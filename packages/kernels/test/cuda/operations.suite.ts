// Every operation but the matrix products and attention on a device, against the CPU.
import { type DeviceId, leaks } from "@qlora/cuda-runtime";
import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import { operations } from "../operations.js";
import { BF16, compareOnDevice, DEVICE_EXP } from "./on_device.js";

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

const exponentials = ["swiglu", "swigluBackward", "crossEntropy"];

export default function operationsSuite(device: DeviceId): void {
  afterEach(() => expect(leaks()).toEqual([]));

  describe.each(["f32", "bf16"] as const)("%s", (type) => {
    test.each(tested)("$name", (operation) => {
      const f32 = exponentials.includes(operation.name) ? DEVICE_EXP : operation.tolerance;
      const tolerance = type === "bf16" ? BF16 : f32;
      for (const before of [8, 3]) {
        fc.assert(
          fc.property(operation.options, (options) =>
            compareOnDevice(operation, options, device, { type, before, tolerance }),
          ),
          { numRuns: 4 },
        );
        compareOnDevice(operation, { ...operation.large, ...larger[operation.name] }, device, {
          type,
          before,
          tolerance,
        });
      }
    });
  });
}
