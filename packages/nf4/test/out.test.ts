// quantize into a tensor that exists: its arrays, its object, and nothing of what it held.
import { expect, test } from "vitest";
import { type Codebook, type QuantizedTensor, quantize, quantizeAsync } from "../src/index.js";

const [n, k] = [48, 100];
const first = Float32Array.from({ length: n * k }, (_, i) => Math.sin(i * i));
const second = Float32Array.from({ length: n * k }, (_, i) => 3 * Math.cos(i * 7) ** 5);
const arrays = ({ codes, absmax, nested, shift, nestedShift }: QuantizedTensor) =>
  [codes, absmax, nested?.codes, nested?.absmax, shift, nestedShift?.codes, nestedShift?.absmax].filter(Boolean);

const settings = [true, false].flatMap((doubleQuant) =>
  (["none", "information"] as const).map((shift) => ({ doubleQuant, shift, shape: [n, k] })),
);

test.each(settings)("$doubleQuant, $shift", async (options) => {
  const own = Float32Array.from({ length: 16 }, (_, i) => (i - 8) / 8);
  for (const codebook of ["nf4", "bof4-s", own] satisfies Codebook[]) {
    const expected = quantize(second, { ...options, codebook });
    const out = quantize(first, { ...options, shape: [n * k] });
    for (const nested of [out.nested, out.nestedShift])
      if (nested) [nested.map, nested.offset] = [new Float32Array(256), 77];
    const before = arrays(out);
    expect(quantize(second, { ...options, codebook, out })).toBe(out);
    expect(out).toEqual(expected);
    for (const [i, array] of arrays(out).entries()) expect(array).toBe(before[i]);
    const again = quantize(first, { ...options, out });
    expect(await quantizeAsync(second, { ...options, codebook, out: again })).toBe(out);
    expect(out).toEqual(expected);
  }
});

test("what the new tensor has not is gone", () => {
  const out = quantize(first, { shape: [n, k], shift: "information" });
  quantize(second, { shape: [n, k], out });
  expect(out).toEqual(quantize(second, { shape: [n, k] }));
});
