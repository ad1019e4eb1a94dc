// What every operation does with wrong arguments and with nothing to do; run against the addon and against the
// fallback.
import { describe, expect, test } from "vitest";
import * as kernels from "../src/index.js";
import { type Arrays, operations } from "./operations.js";

function thrown(run: () => unknown): Error {
  try {
    run();
  } catch (error) {
    return error as Error;
  }
  return expect.fail("nothing was thrown");
}

export function argumentTests(): void {
  describe.each(operations)("$name", (operation) => {
    const options = operation.small;
    const names = Object.keys(operation.arrays(options));
    const run = (changes: Arrays | Record<string, unknown>, changed = options) =>
      operation.call(kernels, { ...operation.arrays(options), ...changes }, changed);

    test.each(names)("%s of a wrong type", (name) => {
      for (const wrong of [
        undefined,
        3,
        "x",
        [1, 2, 3],
        new Float64Array(9999),
        new ArrayBuffer(8),
        new DataView(new ArrayBuffer(8)),
      ]) {
        if (wrong === undefined && ["dweight", "cuK"].includes(name)) continue; // may be left out
        const error = thrown(() => run({ [name]: wrong }));
        expect(error).toBeInstanceOf(TypeError);
        expect(error.message).toContain(`${name} must be a `);
      }
    });

    test.each(names)("%s too short, or detached", (name) => {
      const x = operation.arrays(options)[name]!;
      const error = thrown(() => run({ [name]: x.subarray(1) }));
      expect(error).toBeInstanceOf(RangeError);
      expect(error.message).toMatch(
        /cu/.test(name)
          ? /cu[QK]/
          : name === "cos"
            ? /positions|sin/
            : new RegExp(`^${name} has ${x.length - 1} elements, needs ${x.length}$`),
      );
      const detached = x.slice();
      structuredClone(detached.buffer, { transfer: [detached.buffer] });
      expect(thrown(() => run({ [name]: detached }))).toBeInstanceOf(RangeError);
    });

    test.each(Object.keys(options).filter((key) => typeof options[key] === "number"))("option %s", (key) => {
      const wrongTypes = [null, "3", {}, 3n];
      for (const wrong of wrongTypes) {
        const error = thrown(() => run({}, { ...options, [key]: wrong }));
        expect(error).toBeInstanceOf(TypeError);
        expect(error.message).toBe(`${key} must be a number`);
      }
      if (key === "p" || key === "scale") return;
      for (const wrong of [-1, 0.5, Number.NaN, Infinity, 2 ** 60]) {
        const error = thrown(() => run({}, { ...options, [key]: wrong }));
        expect(error).toBeInstanceOf(RangeError);
        expect(error.message).toContain(key);
      }
      // So large that a product of 32 or 64 bits would wrap around to something small. An offset may be that large.
      if (key !== "offset")
        for (const huge of [2 ** 31, 2 ** 32, 2 ** 53])
          expect(thrown(() => run({}, { ...options, [key]: huge }))).toBeInstanceOf(RangeError);
    });

    test("nothing to do", () => {
      const none = { ...options, ...("n" in options ? { n: 0 } : "segments" in options ? { segments: [] } : { m: 0 }) };
      const arrays = operation.arrays(none);
      const before = structuredClone(arrays);
      const value = operation.call(kernels, arrays, none);
      expect(value).toBe(operation.name === "sumSquares" ? 0 : undefined);
      expect(arrays).toEqual(before);
    });
  });

  test("ids, labels and positions out of range", () => {
    const x = new Float32Array(100);
    const ids = Int32Array.of(0, 5, -1);
    const sizes = { m: 3, d: 2, vocab: 5 };
    expect(() => kernels.embedding(ids, x, x, sizes)).toThrow(/^ids\[1\] is 5, must be 0 to 4$/);
    expect(() => kernels.embedding(Int32Array.of(0, 4, -1), x, x, sizes)).toThrow(/^ids\[2\] is -1, must be 0 to 4$/);
    expect(() => kernels.embeddingBackward(ids, x, x, sizes)).toThrow(/^ids\[1\] is 5/);
    expect(() => kernels.crossEntropy(x, ids, x, { m: 3, v: 5 })).toThrow(/^labels\[1\] is 5, must be 0 to 4 or -100$/);
    expect(() => kernels.crossEntropy(x, Int32Array.of(-99), x, { m: 1, v: 5 })).toThrow(RangeError);
    const tables = { cos: new Float32Array(10), sin: new Float32Array(10) };
    expect(() => kernels.rope(x, ids, tables, { m: 3, heads: 1, headDim: 4 })).toThrow(
      /^positions\[1\] is 5, must be 0 to 4$/,
    );
    expect(() => kernels.rope(x, ids, tables, { m: 3, heads: 1, headDim: 5 })).toThrow(
      /^headDim must be even and > 0, got 5$/,
    );
  });

  test("segments and heads that do not fit", () => {
    const x = new Float32Array(1000);
    const options = { heads: 2, kvHeads: 1, headDim: 4, scale: 1 };
    const run = (cuQ: number[], cuK: number[], change = {}) =>
      kernels.attention(x, x, x, x.slice(), x.slice(), Int32Array.from(cuQ), Int32Array.from(cuK), {
        ...options,
        ...change,
      });
    expect(() => run([1, 2], [0, 2])).toThrow(/^cuQ\[0\] must be 0, got 1$/);
    expect(() => run([0, 2], [-1, 2])).toThrow(/^cuK\[0\] must be 0, got -1$/);
    expect(() => run([0, 5, 3], [0, 5, 6])).toThrow(/^cuQ\[2\] is 3, below 5 before it$/);
    expect(() => run([0, 5], [0, 5, 6])).toThrow(/^cuQ and cuK must be equally long, got 2 and 3$/);
    expect(() => run([], [])).toThrow(/^cuQ has 0 elements, needs 1$/);
    expect(() => run([0, 5], [0, 5], { heads: 3, kvHeads: 2 })).toThrow(
      /^heads must be a multiple of kvHeads, got 3 and 2$/,
    );
    expect(() => run([0, 5], [0, 5], { kvHeads: 0 })).toThrow(/^heads must be a multiple of kvHeads, got 2 and 0$/);
    expect(() => run([0, 5], [0, 5], { headDim: 0 })).toThrow(/^headDim must be 1 to 4096, got 0$/);
    expect(() => run([0, 5], [0, 5], { headDim: 5000 })).toThrow(/^headDim must be 1 to 4096, got 5000$/);
  });

  test("dropout's probability and seed", () => {
    const x = new Float32Array(4);
    for (const p of [-0.1, 1, Number.NaN, Infinity])
      expect(() => kernels.dropout(x, x, { n: 4, p, seed: 1n })).toThrow(/^p must be at least 0 and below 1, got /);
    for (const seed of [
      [2 ** 32, 0],
      [0, -1],
      [0.5, 0],
    ] as [number, number][])
      expect(() => kernels.dropout(x, x, { n: 4, p: 0.5, seed })).toThrow(RangeError);
    expect(() => kernels.dropout(x, x, { n: 4, p: 0.5, seed: [1] as never })).toThrow(/^seed must be a number$/);
    expect(() => kernels.dropout(x, x, { n: 4, p: 0.5, seed: 1n, accumulate: 1 as never })).toThrow(
      /^accumulate must be a boolean$/,
    );
  });

  test("instruction sets that are not there", () => {
    expect(() => kernels.setSimd("mmx")).toThrow(/^simd: mmx is not available here$/);
    expect(() => kernels.setSimd(3 as never)).toThrow(TypeError);
    expect(kernels.simds()).toContain(kernels.simd());
  });
}
