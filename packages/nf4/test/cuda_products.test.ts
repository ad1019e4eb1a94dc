// Products with 4-bit weights on the emulated device, in every order of its threads, against float64 sums of what is multiplied.
import { allocArray, emulations, type KernelAddon, toDevice as upload } from "@qlora/cuda-runtime";
import { loadAddon } from "@qlora/cuda-runtime/load";
import { beforeAll, describe, expect, test } from "vitest";
import {
  type Alloc,
  codebookNames,
  dequantize,
  freeTensor,
  matmul,
  matmulTransposed,
  nest,
  type QuantizedTensor,
  quantize,
  toDevice,
} from "../src/index.js";
import { bf16, gaussian } from "./random.js";

const device = "cuda-emu";
const addon = loadAddon<KernelAddon>("nf4.emu", new URL("../src/native.ts", import.meta.url).href);
const alloc: Alloc = (dtype, length) => allocArray(dtype, length, { device });

/** f32 sums of products of bf16: only their order differs from float64's. */
const F32_SUMS = 2e-6;
/** A result rounded to bf16: at most 2^-9 of each element. */
const BF16_RESULT = 2 ** -8;

const widen = (x: Uint16Array) => new Float32Array(Uint32Array.from(x, (bits) => bits << 16).buffer);

/** x [m, k]·wᵀ, or transposed x [m, n]·w, with w [n, k]. */
function oracle(transposed: boolean, x: Float32Array, w: Float32Array, n: number, k: number): Float64Array {
  const m = x.length / (transposed ? n : k);
  const out = new Float64Array(m * (transposed ? k : n));
  for (let i = 0; i < m; i++)
    for (let j = 0; j < n; j++)
      for (let l = 0; l < k; l++)
        if (transposed) out[i * k + l]! += x[i * n + j]! * w[j * k + l]!;
        else out[i * n + j]! += x[i * k + l]! * w[j * k + l]!;
  return out;
}

/** ‖a − b‖ / ‖b‖ */
function distance(a: ArrayLike<number>, b: Float64Array): number {
  const error = b.reduce((sum, value, i) => sum + (a[i]! - value) ** 2, 0);
  return Math.sqrt(error / (b.reduce((sum, value) => sum + value ** 2, 0) || 1));
}

type Way = { scratch?: boolean; dense?: boolean; accumulate?: boolean; f32?: boolean };

function check(q: QuantizedTensor, m: number, { scratch, dense, accumulate = false, f32 }: Way = {}): void {
  const [n, k] = q.shape as [number, number];
  const there = toDevice(q, alloc);
  const decoded = dequantize(q, { dtype: "bf16" });
  for (const transposed of [false, true]) {
    const host = bf16(gaussian(m * (transposed ? n : k), 1));
    const before = gaussian(m * (transposed ? k : n), 2);
    // few rows of bf16 are multiplied with weights in f32
    const exact = !transposed && m <= 16 && !f32 && k % 32 === 0 && !q.shift && !q.nestedShift;
    const expected = oracle(transposed, widen(host), exact ? dequantize(q) : widen(decoded), n, k);
    using x = upload(f32 ? widen(host) : host, { device });
    using weights = dense ? upload(decoded, { device }) : undefined;
    using room = scratch ? allocArray("bf16", n * k, { device }) : undefined;
    for (const type of ["f32", "bf16"] as const) {
      const initial = type === "f32" ? before : bf16(before);
      using out = upload(initial, { device });
      (transposed ? matmulTransposed : matmul)(x, there, { out, accumulate, scratch: room, dense: weights });
      const result = out.toHost();
      const added = initial instanceof Uint16Array ? widen(initial) : initial;
      const sum = accumulate ? expected.map((value, i) => value + added[i]!) : expected;
      const error = distance(result instanceof Uint16Array ? widen(result) : (result as Float32Array), sum);
      expect(error, `${transposed ? "transposed" : "forward"} → ${type}`).toBeLessThan(
        type === "f32" ? F32_SUMS : BF16_RESULT,
      );
    }
  }
  freeTensor(there);
}

const weights = (n: number, k: number, options = {}) => quantize(gaussian(n * k, 7), { shape: [n, k], ...options });

describe.each(emulations)("$schedule, $copies copies", ({ schedule, copies }) => {
  beforeAll(() => addon.setEmulation!(schedule, copies, 1));

  test.each([
    [1, 1],
    [5, 7],
    [64, 64],
    [48, 172],
    [70, 96],
  ])("weights [%i, %i], m from 1 to 70", (n, k) => {
    for (const m of [1, 3, 17, 70]) check(weights(n, k), m);
    for (const m of [1, 17]) check(weights(n, k, { doubleQuant: false }), m);
  });

  test("few rows, several parts of x", () => {
    const q = weights(9, 9 * 1024 + 32);
    check(q, 1);
    if (schedule === "forward") check(q, 6, { accumulate: true });
  });

  test.runIf(schedule === "forward")("large tiles, ragged, with no bank conflicts", () => {
    addon.emulationStatistics!();
    const there = toDevice(weights(1160, 1184), alloc);
    const x = bf16(gaussian(1170 * 1184, 3));
    for (const transposed of [false, true]) {
      // few rows of x among many of zeros: the oracle need not sum the rest
      const [columns, width] = transposed ? [1160, 1184] : [1184, 1160];
      const host = new Uint16Array(1170 * columns);
      for (const row of [0, 77, 1169]) host.set(x.subarray(row * columns, (row + 1) * columns), row * columns);
      using input = upload(host, { device });
      using out = allocArray("f32", 1170 * width, { device });
      (transposed ? matmulTransposed : matmul)(input, there, { out });
      const result = out.toHost() as Float32Array;
      using decoded = allocArray("bf16", 1160 * 1184, { device });
      const w = widen(dequantize(there, { out: decoded }).toHost() as Uint16Array);
      for (const row of [0, 77, 1169]) {
        const expected = oracle(transposed, widen(host.subarray(row * columns, (row + 1) * columns)), w, 1160, 1184);
        expect(distance(result.subarray(row * width, (row + 1) * width), expected)).toBeLessThan(F32_SUMS);
      }
      expect(result.subarray(78 * width, 1169 * width).every((value) => value === 0)).toBe(true);
      expect(addon.emulationStatistics!().bankConflicts).toBe(0);
    }
    freeTensor(there);
  });
});

test.each(codebookNames)("codebook %s", (codebook) => {
  for (const m of [1, 19]) check(weights(40, 192, { codebook }), m);
});

test.each([32, 64, 128, 256, 4096])("blocks of %i, also where they straddle rows", (blockSize) => {
  for (const [n, k] of [
    [40, 256],
    [31, 100],
    [9, 333],
  ] as const)
    for (const m of [2, 18]) check(weights(n, k, { blockSize }), m);
});

test("shifted blocks", () => {
  for (const [n, k] of [
    [48, 128],
    [31, 100],
  ] as const) {
    const q = weights(n, k);
    const shift = gaussian(Math.ceil((n * k) / q.blockSize), 9, 0.2);
    for (const m of [2, 6]) {
      check({ ...q, shift }, m);
      check({ ...q, nestedShift: nest(shift, { centre: false }) }, m);
    }
  }
});

test("f32 activations, accumulation", () => {
  for (const m of [1, 4, 30]) {
    check(weights(48, 128), m, { f32: true, accumulate: true });
    check(weights(48, 128), m, { accumulate: true });
    check(weights(35, 77), m, { f32: true });
  }
});

test("weights that the caller has decoded, and scratch for many rows", () => {
  const q = weights(24, 64);
  for (const m of [1, 30]) check(q, m, { dense: true, accumulate: true });
  const launches = (way: Way) => {
    addon.emulationStatistics!();
    check(q, 1030, way); // from 1024 rows on
    return addon.emulationStatistics!().launches;
  };
  expect(launches({ scratch: true })).toBe(8); // decoded and multiplied, four times
  expect(launches({ scratch: true, dense: true, accumulate: true })).toBe(4);
});

test("the same bits every time", () => {
  const there = toDevice(weights(70, 192), alloc);
  for (const m of [1, 19]) {
    using x = upload(bf16(gaussian(m * 192, 3)), { device });
    const results = emulations.map(({ schedule, copies }) => {
      addon.setEmulation!(schedule, copies, 1);
      using out = allocArray("f32", m * 70, { device });
      return matmul(x, there, { out }).toHost();
    });
    for (const result of results) expect(result).toEqual(results[0]);
  }
  freeTensor(there);
});

test("what is refused", () => {
  const there = toDevice(weights(8, 64), alloc);
  using x = upload(new Uint16Array(128), { device });
  using out = allocArray("f32", 16, { device });
  using scratch = allocArray("bf16", 8 * 64, { device });
  expect(() => matmul(x.subarray(1), there, { out })).toThrow("x has 127 elements, not a multiple of k = 64");
  expect(() => matmul(new Float32Array(128) as never, there, { out })).toThrow(
    "x must be a device array of f32 or bf16",
  );
  expect(() => matmul(x, there, {} as never)).toThrow("out must be a device array of f32 or bf16, got undefined");
  expect(() => matmul(x, there, { out: out.subarray(1) })).toThrow("out has 15 elements, needs 16");
  expect(() => matmul(x, there, { out, scratch: scratch.subarray(1) })).toThrow("scratch has 511 elements, needs 512");
  expect(() => matmul(x, there, { out, dense: out })).toThrow("dense must be a device array of bf16, got f32");
  freeTensor(there);
});
