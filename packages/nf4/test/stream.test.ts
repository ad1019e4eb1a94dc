// The asynchronous and streaming forms: the same bytes, a live event loop, bounded memory.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  dequantize,
  dequantizeAsync,
  dequantizeStream,
  type QuantizedPart,
  type QuantizedTensor,
  type QuantizeOptions,
  quantize,
  quantizeAsync,
  quantizeStream,
  type Weights,
} from "../src/index.js";
import { bf16, gaussian } from "./random.js";

function joined<T extends Uint8Array | Float32Array>(parts: T[], make: (n: number) => T): T {
  const out = make(parts.reduce((n, part) => n + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

async function gather(parts: AsyncIterable<QuantizedPart>, options: QuantizeOptions): Promise<QuantizedTensor> {
  const all: QuantizedPart[] = [];
  for await (const part of parts) all.push(part);
  const last = all.at(-1);
  const floats = (key: "absmax" | "shift") =>
    joined(
      all.flatMap((part) => part[key] ?? []),
      (n) => new Float32Array(n),
    );
  return {
    codes: joined(
      all.map(({ codes }) => codes),
      (n) => new Uint8Array(n),
    ),
    shape: options.shape,
    codebook: options.codebook ?? "nf4",
    blockSize: options.blockSize ?? 64,
    absmax: options.doubleQuant === false ? floats("absmax") : undefined,
    nested: last?.nested,
    ...(options.shift && options.doubleQuant === false && { shift: floats("shift") }),
    ...(last?.nestedShift && { nestedShift: last.nestedShift }),
  };
}

function* pieces(x: Weights, sizes: number[]): Generator<Weights> {
  for (let at = 0, i = 0; at < x.length; i++) {
    const size = sizes[i % sizes.length]!;
    yield x.subarray(at, at + size);
    at += size;
  }
}

describe("the same bytes as quantize", () => {
  const options = fc.record({
    blockSize: fc.constantFrom(32, 64, 256),
    doubleQuant: fc.boolean(),
    codebook: fc.constantFrom("nf4", "bof4-s"),
  });
  test("from any chunks", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: 150_000 }),
        fc.array(fc.integer({ min: 1, max: 60_000 }), { minLength: 1, maxLength: 5 }),
        options,
        fc.boolean(),
        async (n, sizes, settings, half) => {
          const f32 = gaussian(n, n);
          const x = half ? bf16(f32) : f32;
          const all: QuantizeOptions = { shape: [n], ...settings };
          expect(await gather(quantizeStream(pieces(x, sizes), all), all)).toEqual(quantize(x, all));
        },
      ),
      { numRuns: 25 },
    );
  });
  test.each([true, false])("with shifts and searched scales, double quantisation %s", async (doubleQuant) => {
    const n = 40_001;
    const x = gaussian(n, 1);
    const all: QuantizeOptions = { shape: [n], blockSize: 32, scale: "mse-search", shift: "information", doubleQuant };
    const expected = quantize(x, all);
    expect(await gather(quantizeStream(pieces(x, [7777]), all), all)).toEqual(expected);
    expect(await quantizeAsync(x, all)).toEqual(expected);
  });
  test("quantizeAsync, dequantizeAsync and dequantizeStream", async () => {
    const n = (1 << 24) + 12345;
    const x = new Float32Array(n).map((_, i) => Math.sin(i * 0.37) * (1 + (i % 13)));
    const q = quantize(x, { shape: [n] });
    const later = await quantizeAsync(x, { shape: [n] });
    expect(Buffer.from(later.codes.buffer).equals(Buffer.from(q.codes.buffer))).toBe(true);
    expect(Buffer.from(later.nested!.codes.buffer).equals(Buffer.from(q.nested!.codes.buffer))).toBe(true);
    expect(later.nested!.absmax).toEqual(q.nested!.absmax);
    const y = dequantize(q);
    const asynchronous = await dequantizeAsync(q);
    expect(Buffer.from(asynchronous.buffer).equals(Buffer.from(y.buffer))).toBe(true);
    const words = dequantize(q, { dtype: "bf16" });
    let at = 0;
    for await (const part of dequantizeStream(q, { dtype: "bf16", elements: 1_000_000 })) {
      expect(Buffer.from(part.buffer).equals(Buffer.from(words.buffer, 2 * at, 2 * part.length))).toBe(true);
      at += part.length;
    }
    expect(at).toBe(n);
    const out = new Float32Array(n);
    expect(await dequantizeAsync(q, { out })).toBe(out);
  });
});

test("timers run while a large tensor is quantised asynchronously", async () => {
  const x = gaussian(1 << 20, 2);
  let ticks = 0;
  const timer = setInterval(() => ticks++, 1);
  await quantizeAsync(x, { shape: [x.length], shift: "information" });
  clearInterval(timer);
  expect(ticks).toBeGreaterThan(3);
});

test("a tensor of 512 MiB streams through a few MiB", async () => {
  const n = 1 << 27;
  const piece = gaussian(1 << 20, 3);
  function* source() {
    for (let at = 0; at < n; at += piece.length) yield piece;
  }
  let codes = 0;
  let most = 0;
  const before = process.memoryUsage().arrayBuffers;
  for await (const part of quantizeStream(source(), { shape: [n] })) {
    codes += part.codes.length;
    globalThis.gc?.();
    most = Math.max(most, process.memoryUsage().arrayBuffers - before);
  }
  expect(codes).toBe(n / 2);
  // 8 MiB of scales, and what the collector has not yet freed of parts of 0.5 MiB; the whole would be 512 + 64 MiB
  expect(most).toBeLessThan(48 << 20);
});

test("too few, too many and mixed chunks are refused", async () => {
  const run = async (chunks: unknown[], n: number) => {
    for await (const _ of quantizeStream(chunks as Weights[], { shape: [n] }));
  };
  await expect(run([new Float32Array(10)], 11)).rejects.toThrow(
    new RangeError("weights has 10 elements, shape [11] needs 11"),
  );
  await expect(run([new Float32Array(10), new Float32Array(2)], 11)).rejects.toThrow(
    "weights has 12 elements, shape [11] needs 11",
  );
  await expect(run([new Float32Array(10), new Uint16Array(1)], 11)).rejects.toThrow(
    "chunk is a Uint16Array after a Float32Array",
  );
  await expect(run([[1, 2]], 2)).rejects.toThrow(
    new TypeError("chunk must be a Float32Array or a Uint16Array, got Array"),
  );
  const x = new Float32Array(70_000);
  x[65_000] = Number.NaN;
  await expect(run([...pieces(x, [999])], x.length)).rejects.toThrow("weights[65000] is NaN; weights must be finite");
});
