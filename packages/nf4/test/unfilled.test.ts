// Arrays that are not cleared before they are written: every byte of a result is the kernels', whatever the memory held.
import { isDeepStrictEqual } from "node:util";
import { afterEach, expect, test, vi } from "vitest";
import {
  dequantize,
  dequantizeBlockwise,
  dequantizeStream,
  matmul,
  matmulTransposed,
  quantize,
  quantizeBlockwise,
  quantizeStream,
  setSimd,
  simd,
  simds,
  tile,
} from "../src/index.js";

const [n, k] = [336, 832];
const weights = Float32Array.from({ length: n * k + 1 }, (_, i) => Math.sin(i * i) * Math.cos(i));
/** As many as make 64 Ki blocks and one: then their scales' codes are not cleared either. */
const many = Float32Array.from({ length: 2 ** 22 + 1 }, (_, i) => weights[i % weights.length]!);
const loaded = simd();
afterEach(() => {
  vi.restoreAllMocks();
  setSimd(loaded);
});

/** A result of each function that makes one. The plain TypeScript is too slow for the products. */
async function results(name: string) {
  setSimd(name);
  const ragged = [n * k + 1];
  const even = weights.subarray(0, n * k);
  const q = quantize(even, { shape: [n, k] });
  const all: unknown[] = [
    quantize(weights, { shape: ragged }),
    quantize(weights, { shape: ragged, doubleQuant: false }),
    quantize(many, { shape: [many.length], doubleQuant: true }),
    dequantize(q),
    dequantize(q, { dtype: "bf16" }),
    dequantizeBlockwise(quantizeBlockwise(weights)),
  ];
  for await (const part of quantizeStream([weights], { shape: ragged })) all.push(part);
  for await (const part of dequantizeStream(q)) all.push(part);
  if (name === "reference") return all;
  const x = weights.subarray(0, 64 * k);
  for (const w of [q, tile(q)])
    for (const compute of ["f32", "int8"] as const)
      all.push(matmul(x, w, { compute }), matmulTransposed(weights.subarray(0, 64 * n), w, { compute }));
  return all;
}

test.each(simds())("%s", { timeout: 60_000 }, async (name) => {
  const clear = vi.spyOn(Buffer, "allocUnsafeSlow").mockImplementation((bytes) => Buffer.alloc(bytes));
  const expected = await results(name);
  expect(clear).toHaveBeenCalled();
  vi.restoreAllMocks();
  vi.spyOn(Buffer, "allocUnsafeSlow").mockImplementation((bytes) => Buffer.alloc(bytes, 0xa5));
  expect(isDeepStrictEqual(await results(name), expected)).toBe(true); // of arrays, at once
});
