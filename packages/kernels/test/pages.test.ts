// preferHugePages: the same array, still zeros; what Linux has been told of it.
import { existsSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import * as kernels from "../src/index.js";

const setting = "/sys/kernel/mm/transparent_hugepage/enabled";
const hinted = () => (readFileSync("/proc/self/smaps", "utf8").match(/^VmFlags:.* hg( |$)/gm) ?? []).length;

test("any array, of any length, is returned as it was", () => {
  for (const array of [new Float32Array(0), new Uint16Array(3), new Float32Array(2 ** 21).subarray(5)]) {
    expect(kernels.preferHugePages(array)).toBe(array);
    expect(array.every((x) => x === 0)).toBe(true);
  }
});

test.skipIf(kernels.simd() === "typescript" || !existsSync(setting))("the mapping of a large array is marked", () => {
  const before = hinted();
  const array = kernels.preferHugePages(new Float32Array(2 ** 24));
  expect(hinted()).toBeGreaterThan(before);
  expect(array[2 ** 23]).toBe(0);
});
