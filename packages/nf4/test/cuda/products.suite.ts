// Products with 4-bit weights on a device, against float64 sums of what is multiplied.
import { allocArray, type DeviceId, leaks, toDevice as upload } from "@qlora/cuda-runtime";
import { afterEach, expect, test } from "vitest";
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
} from "../../src/index.js";
import { BF16_RESULT, distance, exactProduct, F32_SUMS, widen } from "../exact_products.js";
import { bf16, gaussian } from "../random.js";

type Way = { scratch?: boolean; dense?: boolean; accumulate?: boolean; f32?: boolean };

const weights = (n: number, k: number, options = {}) => quantize(gaussian(n * k, 7), { shape: [n, k], ...options });

export default function productsSuite(device: DeviceId): void {
  const alloc: Alloc = (dtype, length) => allocArray(dtype, length, { device });
  afterEach(() => expect(leaks()).toEqual([]));

  function check(q: QuantizedTensor, m: number, { scratch, dense, accumulate = false, f32 }: Way = {}): void {
    const [n, k] = q.shape as [number, number];
    const there = toDevice(q, alloc);
    const decoded = dequantize(q, { dtype: "bf16" });
    for (const transposed of [false, true]) {
      const host = bf16(gaussian(m * (transposed ? n : k), 1));
      const before = gaussian(m * (transposed ? k : n), 2);
      // few rows of bf16 are multiplied with weights in f32
      const exact = !transposed && m <= 16 && !f32 && k % 32 === 0 && !q.shift && !q.nestedShift;
      const expected = exactProduct(transposed, widen(host), exact ? dequantize(q) : widen(decoded), n, k);
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
    check(q, 6, { accumulate: true });
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
    for (const way of [{ scratch: true }, { dense: true, accumulate: true }]) check(q, 1030, way); // from 1024 rows on
  });

  test("the same bits every time", () => {
    const there = toDevice(weights(70, 192), alloc);
    for (const m of [1, 19]) {
      using x = upload(bf16(gaussian(m * 192, 3)), { device });
      const results = Array.from({ length: 3 }, () => {
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
    expect(() => matmul(x, there, { out, scratch: scratch.subarray(1) })).toThrow(
      "scratch has 511 elements, needs 512",
    );
    expect(() => matmul(x, there, { out, dense: out })).toThrow("dense must be a device array of bf16, got f32");
    freeTensor(there);
  });
}
