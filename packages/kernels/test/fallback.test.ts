// Without an addon: the plain TypeScript operations take its place, with the same checks and results.
import { describe, expect, test, vi } from "vitest";
import * as kernels from "../src/index.js";
import * as reference from "../src/reference.js";
import { argumentTests } from "./arguments.js";
import { expectClose, random } from "./compare.js";
import { operations, widened } from "./operations.js";

const warnings = vi.hoisted(() => {
  const warnings: string[] = [];
  process.emitWarning = (warning) => void warnings.push(String(warning));
  return warnings;
});
vi.mock("@qlora/cuda-runtime/load", async (original) => {
  const load = await original<typeof import("@qlora/cuda-runtime/load")>();
  return { ...load, loadAddon: (name: string) => load.loadAddon(name, "file:///nowhere/else/index.js") };
});

test("says so once, and why", () => {
  expect(kernels.simd()).toBe("typescript");
  expect(kernels.simds()).toEqual(["typescript"]);
  expect(kernels.threads()).toBe(1);
  expect(warnings).toHaveLength(1);
  expect(warnings[0]).toMatch(/^@qlora\/kernels has no native addon for /);
});

describe("the same results", () => {
  test.each(operations)("$name", (operation) => {
    const options = operation.small;
    const arrays = operation.arrays(options);
    const expected = widened(arrays);
    const value = operation.call(reference, expected, options);
    expect(operation.call(kernels, arrays, options)).toBe(value);
    for (const name of operation.outputs)
      expectClose(arrays[name] as Float32Array, expected[name]!, operation.tolerance, {
        what: name,
        terms: operation.terms ?? 0,
      });
  });

  test("matrix products", () => {
    const [m, n, k] = [3, 4, 5];
    const [x, w, dy] = [random(m * k, 1), random(n * k, 2), random(m * n, 3)];
    const [y, dx, dw] = [new Float32Array(m * n), new Float32Array(m * k), new Float32Array(n * k)];
    kernels.matmul(x, w, y, { m, n, k });
    kernels.matmulTransposed(dy, w, dx, { m, n, k });
    kernels.matmulGradWeight(dy, x, dw, { m, n, k });
    const total = (a: Float32Array, b: Float32Array) => a.reduce((sum, value, i) => sum + value * b[i]!, 0);
    expect(total(dy, y)).toBeCloseTo(total(dx, x), 5); // both are Σ dy · x · w
    expect(total(dy, y)).toBeCloseTo(total(dw, w), 5);
    expect(() => kernels.matmul(x, w, y.subarray(1), { m, n, k })).toThrow(/^y has 11 elements, needs 12$/);
  });
});

argumentTests();
