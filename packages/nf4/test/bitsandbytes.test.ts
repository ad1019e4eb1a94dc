// bitsandbytes' tensors: keys, dtypes, JSON; there and back; what does not fit is named.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { pythonFloat } from "../src/bitsandbytes.js";
import {
  type BitsandbytesTensor,
  dequantize,
  fromBitsandbytes,
  levels,
  quantize,
  toBitsandbytes,
} from "../src/index.js";
import { golden, input } from "./golden.js";
import { gaussian } from "./random.js";

const text = (tensor: BitsandbytesTensor | undefined) => new TextDecoder().decode(tensor!.data as Uint8Array);

test("keys, dtypes, shapes and JSON of a double-quantised weight", () => {
  const expected = golden.cases.find(({ name }) => name === "dq-nf4")!;
  const q = quantize(input(expected.name, 512 * 64), { shape: [512, 64] });
  const tensors = toBitsandbytes(q, "model.layers.0.self_attn.q_proj", { dtype: "bf16" });
  const key = "model.layers.0.self_attn.q_proj.weight";
  expect([...tensors].map(([name, { dtype, shape }]) => [name, dtype, shape])).toEqual([
    [key, "U8", [16384, 1]],
    [`${key}.absmax`, "U8", [512]],
    [`${key}.quant_map`, "F32", [16]],
    [`${key}.nested_absmax`, "F32", [2]],
    [`${key}.nested_quant_map`, "F32", [256]],
    [`${key}.quant_state.bitsandbytes__nf4`, "U8", [169]],
  ]);
  expect(text(tensors.get(`${key}.quant_state.bitsandbytes__nf4`))).toBe(
    '{"quant_type": "nf4", "blocksize": 64, "dtype": "bfloat16", "shape": [512, 64], "nested_blocksize": 256, ' +
      '"nested_dtype": "float32", "nested_offset": 0.05553998053073883}',
  );
  expect(Buffer.from(tensors.get(key)!.data as Uint8Array).toString("base64")).toBe(expected.packed_b64);
});

test("plain scales, fp4, f16", () => {
  const q = quantize(gaussian(300, 1), { shape: [3, 100], codebook: "fp4", doubleQuant: false, blockSize: 128 });
  const tensors = toBitsandbytes(q, "p", { dtype: "f16" });
  expect([...tensors].map(([name, { dtype, shape }]) => [name, dtype, shape])).toEqual([
    ["p.weight", "U8", [150, 1]],
    ["p.weight.absmax", "F32", [3]],
    ["p.weight.quant_map", "F32", [16]],
    ["p.weight.quant_state.bitsandbytes__fp4", "U8", [78]],
  ]);
  expect(text(tensors.get("p.weight.quant_state.bitsandbytes__fp4"))).toBe(
    '{"quant_type": "fp4", "blocksize": 128, "dtype": "float16", "shape": [3, 100]}',
  );
});

test("there and back", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 40 }),
      fc.integer({ min: 1, max: 70 }),
      fc.constantFrom("nf4", "fp4"),
      fc.constantFrom(32, 64, 4096),
      fc.boolean(),
      (rows, columns, codebook, blockSize, doubleQuant) => {
        const x = gaussian(rows * columns, rows + columns);
        const q = quantize(x, { shape: [rows, columns], codebook, blockSize, doubleQuant });
        const tensors = toBitsandbytes(q, "a.b");
        expect(fromBitsandbytes("a.b", (key) => tensors.get(key))).toEqual(q);
      },
    ),
    { numRuns: 60 },
  );
});

test("bytes stored under another dtype (quant_storage) and at odd offsets are read as they lie", () => {
  const q = quantize(gaussian(64 * 96, 2), { shape: [64, 96] });
  const tensors = toBitsandbytes(q, "p");
  for (const [key, tensor] of tensors) {
    const bytes = new Uint8Array(tensor.data.buffer, tensor.data.byteOffset, tensor.data.byteLength);
    const odd = new Uint8Array(bytes.length + 1);
    odd.set(bytes, 1);
    tensors.set(key, { ...tensor, data: odd.subarray(1) });
  }
  tensors.set("p.weight", { ...tensors.get("p.weight")!, dtype: "BF16", shape: [1536, 1] });
  expect(fromBitsandbytes("p", (key) => tensors.get(key))).toEqual(q);
});

test("another quant_map is kept as 16 values of its own", () => {
  const q = quantize(gaussian(640, 3), { shape: [640] });
  const tensors = toBitsandbytes(q, "p");
  const map = levels("nf4").slice();
  map[1] = -0.7;
  tensors.set("p.weight.quant_map", { dtype: "F32", shape: [16], data: map });
  const back = fromBitsandbytes("p", (key) => tensors.get(key));
  expect(back.codebook).toEqual(map);
  const y = dequantize(q);
  dequantize(back).forEach((value, i) => {
    const code = i % 2 ? q.codes[i >> 1]! & 15 : q.codes[i >> 1]! >> 4;
    if (code !== 1) expect(value).toBe(y[i]);
    else expect(value / y[i]!).toBeCloseTo(0.7 / 0.6961928, 5);
  });
});

test("numbers as Python prints them", () => {
  const cases: [number, string][] = [
    [0, "0.0"],
    [1, "1.0"],
    [-2.5, "-2.5"],
    [0.10064697265625, "0.10064697265625"],
    [0.0001, "0.0001"],
    [0.00001, "1e-05"],
    [1.5e-7, "1.5e-07"],
    [-1e-100, "-1e-100"],
    [1e15, "1000000000000000.0"],
    [1e16, "1e+16"],
    [-0, "-0.0"],
  ];
  for (const [value, printed] of cases) expect(pythonFloat(value)).toBe(printed);
});

describe("what bitsandbytes cannot say is refused", () => {
  const x = gaussian(64, 4);
  test.each([
    [{ codebook: "e2m1" as const }, "bitsandbytes knows the codebooks nf4 and fp4, not e2m1"],
    [{ codebook: Float32Array.from({ length: 16 }, (_, i) => i) }, "not 16 values of your own"],
    [{ shift: "information" as const }, "bitsandbytes has no shifts"],
  ])("%j", (options, message) => {
    expect(() => toBitsandbytes(quantize(x, { shape: [64], ...options }), "p")).toThrow(message);
  });
  test("dtype", () => {
    const q = quantize(x, { shape: [64] });
    expect(() => toBitsandbytes(q, "p", { dtype: "f64" as "f32" })).toThrow(
      'dtype must be one of "bf16", "f16", "f32", got "f64"',
    );
  });
});

describe("damaged tensors are refused by name", () => {
  const q = quantize(gaussian(640, 5), { shape: [10, 64] });
  const json = (change: Record<string, unknown>) => {
    const fields = {
      ...JSON.parse(text(toBitsandbytes(q, "p").get("p.weight.quant_state.bitsandbytes__nf4"))),
      ...change,
    };
    return { dtype: "U8" as const, shape: [1], data: new TextEncoder().encode(JSON.stringify(fields)) };
  };
  const state = "p.weight.quant_state.bitsandbytes__nf4";
  const cases: [string, string, BitsandbytesTensor | undefined, string][] = [
    ["no state", state, undefined, "p.weight.quant_state.bitsandbytes__nf4 (or __fp4) is missing"],
    ["no codes", "p.weight", undefined, "p.weight is missing"],
    ["no scales", "p.weight.absmax", undefined, "p.weight.absmax is missing"],
    ["no map", "p.weight.nested_quant_map", undefined, "p.weight.nested_quant_map is missing"],
    [
      "short codes",
      "p.weight",
      { dtype: "U8", shape: [3], data: new Uint8Array(3) },
      "p.weight has 3 elements, needs 320",
    ],
    [
      "long scales",
      "p.weight.absmax",
      { dtype: "U8", shape: [11], data: new Uint8Array(11) },
      "p.weight.absmax has 11 elements, needs 10",
    ],
    [
      "scales of another dtype",
      "p.weight.absmax",
      { dtype: "F16", shape: [10], data: new Uint16Array(10) },
      "p.weight.absmax must be F32 or U8, got F16",
    ],
    [
      "NaN",
      "p.weight.nested_absmax",
      { dtype: "F32", shape: [1], data: Float32Array.of(Number.NaN) },
      "p.weight.nested_absmax[0] is NaN, must be finite",
    ],
    ["no JSON", state, { dtype: "U8", shape: [1], data: Uint8Array.of(123) }, `${state} is not JSON`],
    [
      "an array",
      state,
      { dtype: "U8", shape: [1], data: new TextEncoder().encode("[1]") },
      `${state} must be a JSON object`,
    ],
    [
      "block size",
      state,
      json({ blocksize: 48 }),
      `${state}: blocksize must be a power of two from 32 to 4096, got 48`,
    ],
    ["block size as text", state, json({ blocksize: "64" }), `${state}: blocksize must be a number, got string`],
    ["shape", state, json({ shape: [10, -64] }), `${state}: shape[1] must be a whole number ≥ 0, got -64`],
    [
      "huge shape",
      state,
      json({ shape: [2 ** 40, 2 ** 40] }),
      `${state}: shape [1099511627776, 1099511627776] is too large`,
    ],
    ["no shape", state, json({ shape: undefined }), `${state}: shape must be an array of numbers`],
    ["nested block size", state, json({ nested_blocksize: 128 }), `${state}: nested_blocksize must be 256, got 128`],
    [
      "nested offset",
      state,
      json({ nested_offset: null }),
      `${state}: nested_offset must be a finite number, got null`,
    ],
    ["another type", state, json({ quant_type: "fp4" }), `${state}: quant_type is "fp4"`],
  ];
  test.each(cases)("%s", (_, key, tensor, message) => {
    const tensors: Map<string, BitsandbytesTensor> = toBitsandbytes(q, "p");
    if (tensor) tensors.set(key, tensor);
    else tensors.delete(key);
    const read = () => fromBitsandbytes("p", (name) => tensors.get(name));
    expect(read).toThrow(message);
    try {
      read();
    } catch (error) {
      expect(error instanceof TypeError || error instanceof RangeError).toBe(true);
    }
  });
});
