// Any number of threads gives the same bits.
import { afterAll, describe, expect, test } from "vitest";
import * as kernels from "../src/index.js";
import { type Arrays, operations } from "./operations.js";

const [threads, best] = [kernels.threads(), kernels.simd()];
afterAll(() => {
  kernels.setThreads(threads);
  kernels.setSimd(best);
});

const bits = (arrays: Arrays) =>
  Object.values(arrays).map((x) => Buffer.from(x.buffer, x.byteOffset, x.byteLength).toString("latin1"));

describe.each(kernels.simds())("%s", (simd) => {
  test.each(operations)("$name", (operation) => {
    kernels.setSimd(simd);
    const results = [1, 2, 3, 4, 8].map((count) => {
      kernels.setThreads(count);
      expect(kernels.threads()).toBe(count);
      const arrays = operation.arrays(operation.large);
      return [operation.call(kernels, arrays, operation.large), ...bits(arrays)];
    });
    for (const result of results) expect(result).toEqual(results[0]);
  });
});

test("thread counts out of range are refused", () => {
  for (const count of [0, -1, 1.5, Number.NaN, 1025]) expect(() => kernels.setThreads(count)).toThrow(RangeError);
  expect(() => kernels.setThreads("2" as never)).toThrow(TypeError);
});
