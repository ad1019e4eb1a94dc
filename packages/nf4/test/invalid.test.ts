// Malformed arguments end in a TypeError or RangeError that names them and their numbers; nothing crashes.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  bytes,
  dequantize,
  dequantizeBlockwise,
  dequantizeStream,
  dynamicMapSigned,
  nest,
  type QuantizedTensor,
  quantize,
  quantizeAsync,
  quantizeBlockwise,
  setSimd,
  setThreads,
  simd,
  simds,
} from "../src/index.js";

const x = new Float32Array(128).fill(1);
/** A call with arguments that the types forbid. */
const call =
  (f: (...args: never[]) => unknown, ...args: unknown[]) =>
  () =>
    (f as (...args: unknown[]) => unknown)(...args);

describe("quantize", () => {
  const cases: [string, unknown, unknown, Error][] = [
    ["no options", x, undefined, new TypeError("options must be an object with a shape, got undefined")],
    ["no shape", x, {}, new TypeError("shape must be an array of numbers")],
    ["text in shape", x, { shape: ["128"] }, new TypeError("shape[0] must be a number, got string")],
    ["negative extent", x, { shape: [-128] }, new RangeError("shape[0] must be a whole number ≥ 0, got -128")],
    ["fraction", x, { shape: [1.5] }, new RangeError("shape[0] must be a whole number ≥ 0, got 1.5")],
    ["overflow", x, { shape: [2 ** 52, 3] }, new RangeError("shape [4503599627370496, 3] is too large")],
    ["wrong length", x, { shape: [4, 33] }, new RangeError("weights has 128 elements, shape [4, 33] needs 132")],
    [
      "array of numbers",
      [1, 2],
      { shape: [2] },
      new TypeError("weights must be a Float32Array or a Uint16Array, got Array"),
    ],
    [
      "f64",
      new Float64Array(2),
      { shape: [2] },
      new TypeError("weights must be a Float32Array or a Uint16Array, got Float64Array"),
    ],
    ["out of null", x, { shape: [128], out: null }, new TypeError("out must be a quantised tensor, got null")],
    [
      "out of other weights",
      x,
      { shape: [128], out: quantize(x.subarray(0, 64), { shape: [64] }) },
      new RangeError("out.codes has 32 elements, needs 64"),
    ],
    [
      "out of other blocks",
      x,
      { shape: [128], blockSize: 32, out: quantize(x, { shape: [128] }) },
      new RangeError("out.nested.codes has 2 elements, needs 4"),
    ],
    [
      "out with plain scales",
      x,
      { shape: [128], out: quantize(x, { shape: [128], doubleQuant: false }) },
      new TypeError("out.nested must be an object"),
    ],
    [
      "out without shifts",
      x,
      {
        shape: [128],
        shift: "information",
        doubleQuant: false,
        out: quantize(x, { shape: [128], doubleQuant: false }),
      },
      new TypeError("out.shift must be a Float32Array, got undefined"),
    ],
    ["null", null, { shape: [0] }, new TypeError("weights must be a Float32Array or a Uint16Array, got null")],
    [
      "block size 16",
      x,
      { shape: [128], blockSize: 16 },
      new RangeError("blockSize must be a power of two from 32 to 4096, got 16"),
    ],
    [
      "block size 96",
      x,
      { shape: [128], blockSize: 96 },
      new RangeError("blockSize must be a power of two from 32 to 4096, got 96"),
    ],
    [
      "block size 8192",
      x,
      { shape: [128], blockSize: 8192 },
      new RangeError("blockSize must be a power of two from 32 to 4096, got 8192"),
    ],
    [
      "block size NaN",
      x,
      { shape: [128], blockSize: Number.NaN },
      new RangeError("blockSize must be a power of two from 32 to 4096, got NaN"),
    ],
    ["block size text", x, { shape: [128], blockSize: "64" }, new TypeError("blockSize must be a number, got string")],
    ["doubleQuant", x, { shape: [128], doubleQuant: 1 }, new TypeError("doubleQuant must be a boolean, got number")],
    ["dtype", x, { shape: [128], dtype: "f64" }, new RangeError('dtype must be one of "bf16", "f16", got "f64"')],
    [
      "scale",
      x,
      { shape: [128], scale: "max" },
      new RangeError('scale must be one of "absmax", "mse-search", got "max"'),
    ],
    ["shift", x, { shape: [128], shift: true }, new RangeError('shift must be one of "none", "information", got true')],
    [
      "codebook",
      x,
      { shape: [128], codebook: [1] },
      new TypeError("codebook must be a name or a Float32Array of 16 values"),
    ],
  ];
  test.each(cases)("%s", (_, weights, options, error) => {
    expect(call(quantize, weights, options)).toThrow(error);
  });

  test.each(simds())("weights that are not finite, %s", async (name) => {
    const chosen = simd();
    setSimd(name);
    try {
      for (const [i, value] of [
        [0, Number.NaN],
        [77, Number.POSITIVE_INFINITY],
        [20_000, Number.NEGATIVE_INFINITY],
      ] as const) {
        const bad = new Float32Array(20_001).fill(0.5);
        bad[i] = value;
        const error = new RangeError(`weights[${i}] is ${value}; weights must be finite`);
        for (const shift of ["none", "information"] as const)
          expect(
            call(quantize, bad.subarray(0, 30 * Math.ceil((i + 1) / 30)), {
              shape: [Math.min(20_001, 30 * Math.ceil((i + 1) / 30))],
              shift,
            }),
          ).toThrow(error);
        await expect(quantizeAsync(bad, { shape: [20_001] })).rejects.toThrow(error);
      }
      const words = new Uint16Array(100).fill(0x3f80);
      words[40] = 0x7fc0;
      expect(call(quantize, words, { shape: [100] })).toThrow("weights[40] is NaN");
      words[40] = 0xfc00;
      expect(call(quantize, words, { shape: [100], dtype: "f16" })).toThrow("weights[40] is -Infinity");
      expect(call(quantize, words, { shape: [100], dtype: "bf16" })).not.toThrow();
    } finally {
      setSimd(chosen);
    }
  });
});

describe("dequantize", () => {
  const q = quantize(x, { shape: [2, 64] });
  const plain = quantize(x, { shape: [2, 64], doubleQuant: false });
  const nested = q.nested!;
  const cases: [string, unknown, unknown, Error][] = [
    ["nothing", undefined, {}, new TypeError("q must be a quantised tensor")],
    ["short codes", { ...q, codes: new Uint8Array(63) }, {}, new RangeError("q.codes has 63 elements, needs 64")],
    ["other codes", { ...q, codes: [1] }, {}, new TypeError("q.codes must be a Uint8Array, got Array")],
    ["shape", { ...q, shape: [2, 65] }, {}, new RangeError("q.codes has 64 elements, needs 65")],
    [
      "block size",
      { ...q, blockSize: 0 },
      {},
      new RangeError("q.blockSize must be a power of two from 32 to 4096, got 0"),
    ],
    [
      "codebook",
      { ...q, codebook: "nf3" },
      {},
      new RangeError('codebook must be one of nf4, fp4, e2m1, int4, af4, bof4, bof4-s, got "nf3"'),
    ],
    ["no scales", { ...q, nested: undefined }, {}, new TypeError("q must have exactly one of absmax and nested")],
    ["both scales", { ...q, absmax: plain.absmax }, {}, new TypeError("q must have exactly one of absmax and nested")],
    ["short scales", { ...plain, absmax: new Float32Array(1) }, {}, new RangeError("q.absmax has 1 elements, needs 2")],
    [
      "short nested codes",
      { ...q, nested: { ...nested, codes: new Uint8Array(3) } },
      {},
      new RangeError("q.nested.codes has 3 elements, needs 2"),
    ],
    [
      "short map",
      { ...q, nested: { ...nested, map: new Float32Array(255) } },
      {},
      new RangeError("q.nested.map has 255 elements, needs 256"),
    ],
    [
      "nested block size",
      { ...q, nested: { ...nested, blockSize: 64 } },
      {},
      new RangeError("q.nested.blockSize must be 256, got 64"),
    ],
    ["offset", { ...q, nested: { ...nested, offset: "0" } }, {}, new TypeError("q.nested.offset must be a number")],
    ["short shift", { ...q, shift: new Float32Array(3) }, {}, new RangeError("q.shift has 3 elements, needs 2")],
    [
      "both shifts",
      { ...q, shift: new Float32Array(2), nestedShift: nested },
      {},
      new TypeError("q must have at most one of shift and nestedShift"),
    ],
    ["dtype", q, { dtype: "f16" }, new RangeError('dtype must be "f32" or "bf16", got "f16"')],
    ["short out", q, { out: new Float32Array(127) }, new RangeError("out has 127 elements, needs 128")],
    [
      "other out",
      q,
      { out: new Float64Array(128) },
      new TypeError('out must be a Float32Array for dtype "f32", got Float64Array'),
    ],
    [
      "out of another dtype",
      q,
      { dtype: "bf16", out: new Float32Array(128) },
      new TypeError('out must be a Uint16Array for dtype "bf16", got Float32Array'),
    ],
  ];
  test.each(cases)("%s", (_, tensor, options, error) => {
    expect(call(dequantize, tensor, options)).toThrow(error);
  });
  test("pieces", async () => {
    await expect(dequantizeStream(q, { elements: 0 }).next()).rejects.toThrow(
      "elements must be a whole number ≥ 1, got 0",
    );
    await expect(dequantizeStream(q, { dtype: "f16" as "f32" }).next()).rejects.toThrow("dtype must be one of");
  });
  test("bytes", () => expect(call(bytes, { ...q, shape: [1] })).toThrow("q.codes has 64 elements, needs 1"));
});

test("8-bit blockwise, nest, threads, instruction sets", () => {
  expect(call(quantizeBlockwise, [1])).toThrow(new TypeError("values must be a Float32Array, got Array"));
  expect(call(quantizeBlockwise, x, { blockSize: 0 })).toThrow(
    new RangeError("blockSize must be a whole number ≥ 1, got 0"),
  );
  expect(call(quantizeBlockwise, x, { blockSize: "1" })).toThrow(
    new TypeError("blockSize must be a number, got string"),
  );
  expect(call(quantizeBlockwise, x, { map: new Float32Array(4) })).toThrow(
    new RangeError("map has 4 elements, needs 256"),
  );
  const falling = dynamicMapSigned.toReversed();
  expect(call(quantizeBlockwise, x, { map: falling })).toThrow("map must ascend, but map[1]");
  expect(call(quantizeBlockwise, Float32Array.of(1, Number.NaN))).toThrow(
    new RangeError("values[1] is NaN; values must be finite"),
  );
  const q = quantizeBlockwise(x);
  expect(call(dequantizeBlockwise, { ...q, absmax: new Float32Array(2) })).toThrow("q.absmax has 2 elements, needs 1");
  expect(call(dequantizeBlockwise, q, { out: new Float32Array(3) })).toThrow("out has 3 elements, needs 128");
  expect(call(nest, Float32Array.of(Number.NaN))).toThrow("values[0] to [0] are not all finite");
  expect(call(nest, [1])).toThrow(new TypeError("values must be a Float32Array, got Array"));
  expect(call(setThreads, 0)).toThrow(new RangeError("threads must be a whole number from 1 to 1024, got 0"));
  expect(call(setSimd, "sse")).toThrow(`simd must be one of ${simds().join(", ")}, got "sse"`);
});

test("a detached or damaged tensor never does more than throw", () => {
  const q = quantize(new Float32Array(1000).fill(0.1), { shape: [1000], shift: "information" });
  const values = fc.oneof(
    fc.constantFrom<unknown>(
      undefined,
      null,
      0,
      -1,
      1.5,
      Number.NaN,
      2 ** 53,
      "",
      "nf4",
      true,
      [],
      {},
      [1000],
      [2 ** 31, 2 ** 31],
    ),
    fc.constantFrom<unknown>(
      new Uint8Array(0),
      new Uint8Array(500),
      new Float32Array(16),
      new Float32Array(0),
      new Float64Array(16),
    ),
  );
  const keys = Object.keys(q) as (keyof QuantizedTensor)[];
  const nestedKeys = Object.keys(q.nested!);
  fc.assert(
    fc.property(
      fc.constantFrom(...keys),
      fc.constantFrom("", "nested", "nestedShift"),
      fc.constantFrom(...nestedKeys),
      values,
      (key, inner, name, value) => {
        const damaged = inner ? { ...q, [inner]: { ...q[inner as "nested"], [name]: value } } : { ...q, [key]: value };
        try {
          dequantize(damaged as QuantizedTensor);
        } catch (error) {
          expect(error instanceof TypeError || error instanceof RangeError).toBe(true);
          expect((error as Error).message).toMatch(/q|codebook/);
        }
      },
    ),
    { numRuns: 500 },
  );
  const detached = quantize(new Float32Array(64), { shape: [64] });
  structuredClone(detached.codes.buffer, { transfer: [detached.codes.buffer as ArrayBuffer] });
  expect(call(dequantize, detached)).toThrow("q.codes has 0 elements, needs 32");
});
