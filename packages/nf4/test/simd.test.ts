// Every instruction set gives the reference's bits, for every codebook, block size, input type and policy, with any number of
// threads.
import { afterEach, describe, expect, test } from "vitest";
import {
  codebookNames,
  dequantize,
  type QuantizedTensor,
  type QuantizeOptions,
  quantize,
  quantizeBlockwise,
  setSimd,
  setThreads,
  simd,
  simds,
  threads,
  type Weights,
} from "../src/index.js";
import { bf16, f16, gaussian, uniform } from "./random.js";

const chosen = { simd: simd(), threads: threads() };
afterEach(() => {
  setSimd(chosen.simd);
  setThreads(chosen.threads);
});

const blockSizes = [32, 64, 128, 256, 512, 1024, 2048, 4096];
// Ragged, odd, blocks that straddle, more than one task.
const lengths = [0, 1, 2, 31, 32, 33, 63, 64, 65, 96, 127, 1000, 4095, 4097, 16384, 16385, 40000];
// Any order, values outside [-1, 1], several within one 32nd of it, no zero.
const custom = Float32Array.from([
  0.3, -2, 0.31, 0.305, 5, -0.001, 0.001, 0.7, -0.7, -0.71, 1, -1, 0.5, 0.25, -0.25, 2,
]);

function weightsOf(n: number, seed: number): Float32Array {
  const x = gaussian(n, seed, 0.02);
  const next = uniform(seed);
  for (let i = 0; i < n; i++) if (next() < 0.05) x[i]! *= 20;
  if (n > 300) x.fill(0, 100, 300); // whole blocks of zeros
  if (n > 500) for (let i = 320; i < 400; i++) x[i] = (next() - 0.5) * 2 ** -135; // 1/scale overflows
  if (n > 500) x.set([2 ** -149, -(2 ** -149), 2 ** -140, 0, -0, 3e38, -3e38], 400);
  return x;
}

const bytesOf = (x: ArrayBufferView) => Buffer.from(x.buffer, x.byteOffset, x.byteLength);

/** A tensor's arrays and numbers as bytes, so that 0 and -0 differ and large arrays compare quickly. */
function flat(q: QuantizedTensor): Record<string, string | number | Buffer> {
  const parts: Record<string, string | number | Buffer> = {};
  for (const [key, value] of [
    ...Object.entries(q),
    ...Object.entries(q.nested ?? {}).map(([k, v]) => [`nested ${k}`, v]),
    ...Object.entries(q.nestedShift ?? {}).map(([k, v]) => [`nestedShift ${k}`, v]),
  ])
    if (ArrayBuffer.isView(value)) parts[key] = bytesOf(value);
    else if (typeof value !== "object") parts[key] = value;
  return parts;
}

/** The same to the bit. */
function expectSame(a: QuantizedTensor, b: QuantizedTensor): void {
  const [x, y] = [flat(a), flat(b)];
  expect(Object.keys(x)).toEqual(Object.keys(y));
  for (const [key, value] of Object.entries(x))
    expect(Buffer.isBuffer(value) ? value.equals(y[key] as Buffer) : value === y[key], key).toBe(true);
}

const sets = simds().filter((name) => name !== "reference");
test("the addon is here, with more than one instruction set", () => expect(sets.length).toBeGreaterThan(1));

/** Quantises and decodes with the reference, then with every set. */
function compare(x: Weights, options: QuantizeOptions): void {
  setSimd("reference");
  const expected = quantize(x, options);
  const values = (["f32", "bf16"] as const).map((dtype) => dequantize(expected, { dtype }));
  for (const name of sets) {
    setSimd(name);
    expectSame(quantize(x, options), expected);
    for (const [i, dtype] of (["f32", "bf16"] as const).entries())
      expect(bytesOf(dequantize(expected, { dtype })).equals(bytesOf(values[i]!))).toBe(true);
  }
}

describe("every instruction set against the reference", () => {
  test.each([...codebookNames, "custom"])("codes and values of %s", (name) => {
    const codebook = name === "custom" ? custom : (name as "nf4");
    for (const blockSize of blockSizes)
      for (const [i, n] of lengths.entries()) {
        const x = weightsOf(n, i);
        const options = { shape: [n], blockSize, codebook, doubleQuant: i % 2 === 0 };
        compare(x, options);
        compare(bf16(x), { ...options, dtype: "bf16" });
        compare(f16(x), { ...options, dtype: "f16" });
      }
  });

  test.each(["nf4", "bof4-s", "custom"])("searched scales and shifts of %s", (name) => {
    const codebook = name === "custom" ? custom : (name as "nf4");
    for (const blockSize of [32, 64, 256])
      for (const n of [1, 33, 64, 100, 1000])
        for (const scale of ["absmax", "mse-search"] as const)
          for (const shift of ["none", "information"] as const)
            compare(weightsOf(n, n + blockSize), {
              shape: [n],
              blockSize,
              scale,
              shift,
              codebook,
              doubleQuant: n !== 100,
            });
  });
});

describe.each(sets)("%s", (name) => {
  test("8-bit blockwise", () => {
    for (const n of [0, 1, 15, 16, 17, 255, 256, 257, 5000])
      for (const blockSize of [1, 7, 256, 4096, 20000]) {
        const x = weightsOf(n, n);
        setSimd(name);
        const actual = quantizeBlockwise(x, { blockSize });
        setSimd("reference");
        expect(actual).toEqual(quantizeBlockwise(x, { blockSize }));
      }
  });

  test("any number of threads", () => {
    setSimd(name);
    const n = 100_001;
    const x = weightsOf(n, 7);
    const results = [1, 2, 5].map((count) => {
      setThreads(count);
      const q = quantize(x, { shape: [n], scale: "mse-search", shift: "information" });
      return { q, y: dequantize(q), z: dequantize(quantize(x, { shape: [n] }), { dtype: "bf16" }) };
    });
    for (const { q, y, z } of results.slice(1)) {
      expectSame(q, results[0]!.q);
      expect(bytesOf(y).equals(bytesOf(results[0]!.y)) && bytesOf(z).equals(bytesOf(results[0]!.z))).toBe(true);
    }
  });

  test("outputs past the caches, at every alignment", () => {
    setSimd(name);
    const n = (9 << 20) + 37; // above the size that is stored past the caches
    const x = weightsOf(n, 3);
    const q = quantize(x, { shape: [n] });
    const expected = { f32: new Float32Array(n), bf16: new Uint16Array(n) };
    for (let at = 0; at < n; at += 1 << 20) {
      // small outputs are stored plainly, so they do not pass through the code under test
      const end = Math.min(n, at + (1 << 20));
      const part: QuantizedTensor = {
        ...q,
        shape: [end - at],
        codes: q.codes.subarray(at / 2, Math.ceil(end / 2)),
        nested: {
          ...q.nested!,
          codes: q.nested!.codes.subarray(at / 64, Math.ceil(end / 64)),
          absmax: q.nested!.absmax.subarray(at / 64 / 256, Math.ceil(end / 64 / 256)),
        },
      };
      dequantize(part, { out: expected.f32.subarray(at, end) });
      dequantize(part, { out: expected.bf16.subarray(at, end) });
    }
    for (let offset = 0; offset < 16; offset++) {
      const f32 = new Float32Array(n + 17).fill(-7);
      dequantize(q, { out: f32.subarray(offset, offset + n) });
      expect(Buffer.from(f32.buffer, 4 * offset, 4 * n).equals(Buffer.from(expected.f32.buffer))).toBe(true);
      expect(f32.subarray(0, offset).every((v) => v === -7) && f32.subarray(offset + n).every((v) => v === -7)).toBe(
        true,
      );
      const words = new Uint16Array(n + 40).fill(7);
      const shifted = 2 * offset + (offset % 2);
      dequantize(q, { out: words.subarray(shifted, shifted + n) });
      expect(Buffer.from(words.buffer, 2 * shifted, 2 * n).equals(Buffer.from(expected.bf16.buffer))).toBe(true);
      expect(
        words.subarray(0, shifted).every((v) => v === 7) && words.subarray(shifted + n).every((v) => v === 7),
      ).toBe(true);
    }
  });
});
