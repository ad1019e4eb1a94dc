// Every operation on every instruction set against the float64 reference, at any size, with arrays that are longer than
// needed and start between cache lines.
import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import * as kernels from "../src/index.js";
import * as reference from "../src/reference.js";
import { expectClose } from "./compare.js";
import { type Arrays, type Operation, type Options, operations, widened } from "./operations.js";

const best = kernels.simd();
afterEach(() => kernels.setSimd(best));

const GUARD = 7;

/** The arrays copied behind and before three guards, unless their length means something. */
function guarded(arrays: Arrays, exact: string[] = []): Arrays {
  return Object.fromEntries(
    Object.entries(arrays).map(([name, x]) => {
      if (exact.includes(name)) return [name, x];
      const longer = new (x.constructor as Float32ArrayConstructor)(x.length + 6).fill(GUARD);
      longer.set(x, 3);
      return [name, longer.subarray(3)];
    }),
  );
}

function check(operation: Operation, options: Options): void {
  const arrays = operation.arrays(options);
  const expected = widened(arrays);
  const expectedValue = operation.call(reference, expected, options);
  const actual = guarded(arrays, operation.exact);
  const value = operation.call(kernels, actual, options);
  if (expectedValue !== undefined) expect(value).toBe(expectedValue);
  for (const [name, x] of Object.entries(arrays)) {
    const result = actual[name]!;
    if (operation.outputs.includes(name))
      expectClose(result as Float32Array, expected[name]!, operation.tolerance, {
        what: name,
        terms: operation.terms ?? 0,
      });
    else expect(result.subarray(0, x.length), `${name} is an input`).toEqual(x);
    if (operation.exact?.includes(name)) continue;
    const whole = new (x.constructor as Float32ArrayConstructor)(result.buffer as ArrayBuffer);
    expect([...whole.subarray(0, 3), ...whole.subarray(3 + x.length)]).toEqual(new Array(6).fill(GUARD));
  }
}

describe.each(kernels.simds())("%s", (simd) => {
  test.each(operations)("$name", (operation) => {
    kernels.setSimd(simd);
    fc.assert(
      fc.property(operation.options, (options) => check(operation, options)),
      { numRuns: 60 },
    );
    check(operation, operation.large);
  });
});

test("the fastest set is the one in use", () => expect(best).toBe(process.env.QLORA_SIMD || kernels.simds().at(-1)));
