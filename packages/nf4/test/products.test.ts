// Products straight from 4 bits against float64 sums over the dequantised weights, on every instruction set.
import { afterEach, describe, expect, it } from "vitest";
import * as nf4 from "../src/index.js";
import { matmul, matmulTransposed, type QuantizedTensor, type TiledWeights } from "../src/index.js";
import { distance, exactProduct } from "./exact_products.js";

const best = nf4.simd();
const threads = nf4.threads();
afterEach(() => {
  nf4.setSimd(best);
  nf4.setThreads(threads);
});

/** Gaussian, the same for the same seed. */
function random(length: number, seed: number): Float32Array {
  const uniform = () => {
    seed = (seed + 0x6d2b79f5) >>> 0; // mulberry32
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return (((t ^ (t >>> 14)) >>> 0) + 0.5) / 2 ** 32;
  };
  return Float32Array.from({ length }, () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform()));
}

function weights(n: number, k: number, options: object = {}): QuantizedTensor {
  return nf4.quantize(random(n * k, 7), { shape: [n, k], ...options });
}

function check(q: QuantizedTensor | TiledWeights, m: number): void {
  const [n, k] = q.shape as [number, number];
  const w = nf4.dequantize(nf4.untile(q));
  const x = random(m * k, 1);
  const dy = random(m * n, 2);
  expect(distance(matmul(x, q), exactProduct(false, x, w, n, k)), `matmul, m = ${m}`).toBeLessThan(1e-6);
  expect(distance(matmulTransposed(dy, q), exactProduct(true, dy, w, n, k)), `transposed, m = ${m}`).toBeLessThan(1e-6);
}

describe.each(nf4.simds())("%s", (simd) => {
  it.each([
    [1, 1],
    [3, 5],
    [16, 64],
    [48, 128],
    [33, 129],
    [65, 200],
    [130, 321],
    [7, 1000],
    [100, 37],
  ])("weights [%i, %i] within 1e-6, m from 1 to 70", (n, k) => {
    nf4.setSimd(simd);
    for (const options of [{}, { doubleQuant: false }]) {
      const q = weights(n, k, options);
      for (const m of [1, 2, 5, 8, 9, 16, 70]) check(q, m);
    }
  });

  it.each(nf4.codebookNames)("codebook %s", (codebook) => {
    nf4.setSimd(simd);
    check(weights(50, 192, { codebook }), 11);
  });

  it("a codebook of the caller's, in no order", () => {
    nf4.setSimd(simd);
    const codebook = Float32Array.from([
      3, -1, 0, 0.5, 1, -0.25, 0.75, -0.5, 0.1, -0.1, 0.2, -0.2, 0.3, -0.3, 0.4, -0.4,
    ]);
    check(weights(50, 192, { codebook }), 11);
  });

  it.each([32, 64, 128, 256, 4096])("blocks of %i, also where they straddle rows", (blockSize) => {
    nf4.setSimd(simd);
    for (const [n, k] of [
      [40, 256],
      [31, 100],
      [9, 333],
    ] as const)
      check(weights(n, k, { blockSize }), 6);
  });

  it("shifted blocks", () => {
    nf4.setSimd(simd);
    for (const [n, k] of [
      [48, 128],
      [31, 100],
    ] as const) {
      const q = weights(n, k);
      const shift = random(Math.ceil((n * k) / q.blockSize), 9);
      check({ ...q, shift }, 6);
      check({ ...q, nestedShift: nf4.nest(shift, { centre: false }) }, 6);
    }
  });

  it.each([
    [16, 64],
    [48, 128],
    [80, 192],
    [64, 576],
  ])("tiled weights [%i, %i]", (n, k) => {
    nf4.setSimd(simd);
    for (const options of [{}, { doubleQuant: false }, { blockSize: 32 }, { codebook: "fp4" }]) {
      const q = weights(n, k, options);
      const tiled = nf4.tile(q);
      expect("layout" in tiled).toBe(true);
      expect(nf4.untile(tiled)).toEqual(q);
      for (const m of [1, 3, 8, 60]) check(tiled, m);
    }
    const q = weights(n, k);
    const shift = random((n * k) / 64, 9);
    for (const shifted of [
      { ...q, shift },
      { ...q, nestedShift: nf4.nest(shift, { centre: false }) },
    ]) {
      expect(nf4.untile(nf4.tile(shifted))).toEqual(shifted);
      check(nf4.tile(shifted), 6);
    }
  });

  it("accumulates into out", () => {
    nf4.setSimd(simd);
    const q = weights(50, 70);
    const x = random(6 * 70, 1);
    const before = random(6 * 50, 3);
    const out = before.slice();
    expect(matmul(x, q, { out, accumulate: true })).toBe(out);
    const expected = exactProduct(false, x, nf4.dequantize(q), 50, 70).map((value, i) => value + before[i]!);
    expect(distance(out, expected)).toBeLessThan(1e-6);
    expect(distance(matmul(x, q, { out }), matmul(x, q))).toBe(0);
  });

  it("takes empty inputs", () => {
    nf4.setSimd(simd);
    expect(matmul(new Float32Array(0), weights(5, 64)).length).toBe(0);
    expect(matmulTransposed(new Float32Array(0), weights(5, 64)).length).toBe(0);
    expect(matmul(new Float32Array(64), weights(0, 64)).length).toBe(0);
  });
});

function int8(transposed: boolean, x: Float32Array, q: QuantizedTensor | TiledWeights, simd: string): Float32Array {
  nf4.setSimd(simd);
  return (transposed ? matmulTransposed : matmul)(x, q, { compute: "int8" });
}

describe.each(nf4.simds())("int8, %s", (simd) => {
  it.each([
    { n: 5, k: 7, options: {} },
    { n: 48, k: 128, options: {} },
    { n: 33, k: 192, options: {} },
    { n: 100, k: 256, options: { blockSize: 128 } },
    { n: 80, k: 128, options: { blockSize: 32 } },
    { n: 64, k: 200, options: { doubleQuant: false } },
    { n: 131, k: 448, options: { codebook: "bof4-s" } },
    { n: 130, k: 64, options: { codebook: "fp4", doubleQuant: false } },
  ])("the same integers as in TypeScript: weights [$n, $k] $options", ({ n, k, options }) => {
    const q = weights(n, k, options);
    const shifted = { ...q, shift: random(Math.ceil((n * k) / q.blockSize), 9) };
    for (const w of [q, nf4.tile(q), shifted])
      for (const m of [1, 3, 19]) {
        const x = random(m * k, 1);
        const dy = random(m * n, 2);
        // The only roundings that may differ are those of the sums of groups in f32.
        expect(distance(int8(false, x, w, simd), int8(false, x, w, "reference"))).toBeLessThan(3e-7);
        expect(distance(int8(true, dy, w, simd), int8(true, dy, w, "reference"))).toBeLessThan(3e-7);
      }
  });

  it("is within 1 % on Gaussian data, 2 % with 20 channels twenty times as large", () => {
    const [m, n, k] = [24, 256, 1024];
    const q = weights(n, k);
    const w = nf4.dequantize(q);
    const outliers = (x: Float32Array, columns: number) =>
      x.map((value, i) => (((i % columns) * 7919) % columns < 20 ? 20 * value : value));
    for (const [transposed, columns] of [
      [false, k],
      [true, n],
    ] as const) {
      const x = random(m * columns, 1);
      for (const [data, bound] of [
        [x, 0.01],
        [outliers(x, columns), 0.02],
      ] as const) {
        const exact = exactProduct(transposed, data, w, n, k);
        for (const weights of [q, nf4.tile(q)]) {
          const error = distance(int8(transposed, data, weights, simd), exact);
          expect(error).toBeLessThan(bound);
          expect(error).toBeGreaterThan(1e-4); // it is not the f32 product
        }
      }
    }
  });

  it("passes NaN and infinity on", () => {
    const q = weights(48, 128);
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
      const x = random(3 * 128, 1);
      x[128 + 70] = bad;
      const y = int8(false, x, q, simd);
      expect(y.subarray(0, 48).every(Number.isFinite)).toBe(true);
      expect(y.subarray(48, 96).some(Number.isFinite)).toBe(false);
      expect(y.subarray(96).every(Number.isFinite)).toBe(true);
    }
  });

  it("accumulates, and gives the same bits with any number of threads", () => {
    const q = nf4.tile(weights(320, 640));
    const x = random(200 * 640, 1);
    const before = random(200 * 320, 3);
    nf4.setSimd(simd);
    const results = [1, 2, 3].map((count) => {
      nf4.setThreads(count);
      return matmul(x, q, { compute: "int8", out: before.slice(), accumulate: true });
    });
    for (const result of results) expect(distance(result, results[0]!)).toBe(0);
    const y = int8(false, x, q, simd).map((value, i) => value + before[i]!);
    expect(distance(results[0]!, y)).toBeLessThan(1e-6);
  });
});

it("large products stay within 1e-6", () => {
  const q = weights(1031, 2085);
  const w = nf4.dequantize(q);
  const reference = { x: random(1030 * 2085, 1), dy: random(1030 * 1031, 2) };
  const rows = [0, 1, 511, 512, 1029]; // the oracle is slow: some rows of each product
  const y = matmul(reference.x, q);
  const dx = matmulTransposed(reference.dy, q);
  for (const i of rows) {
    const x = reference.x.subarray(i * 2085, (i + 1) * 2085);
    const dy = reference.dy.subarray(i * 1031, (i + 1) * 1031);
    expect(distance(y.subarray(i * 1031, (i + 1) * 1031), exactProduct(false, x, w, 1031, 2085))).toBeLessThan(1e-6);
    expect(distance(dx.subarray(i * 2085, (i + 1) * 2085), exactProduct(true, dy, w, 1031, 2085))).toBeLessThan(1e-6);
  }
});

it("gives the same bits with any number of threads", () => {
  const q = weights(500, 700);
  for (const m of [1, 3, 16, 200]) {
    const x = random(m * 700, 1);
    const dy = random(m * 500, 2);
    const results = [1, 2, 3, 8].map((count) => {
      nf4.setThreads(count);
      return [matmul(x, q), matmulTransposed(dy, q)] as const;
    });
    for (const [y, dx] of results) {
      expect(distance(y, results[0]![0])).toBe(0);
      expect(distance(dx, results[0]![1])).toBe(0);
    }
  }
});

it("tiles take the bytes of the tensor, and tensors they do not fit stay as they are", () => {
  const q = weights(32, 128);
  expect(nf4.bytes(nf4.tile(q))).toBe(nf4.bytes(q));
  for (const [n, k] of [
    [17, 64],
    [16, 96],
  ] as const) {
    const odd = weights(n, k);
    expect(nf4.tile(odd)).toBe(odd);
    expect(nf4.untile(odd)).toBe(odd);
  }
});

it("names the argument that is wrong", () => {
  const q = weights(6, 64);
  const x = new Float32Array(128);
  expect(() => matmul([1] as never, q)).toThrow(/x must be a Float32Array, got Array/);
  expect(() => matmul(new Float32Array(65), q)).toThrow(/x has 65 elements, not a multiple of k = 64/);
  expect(() => matmulTransposed(new Float32Array(7), q)).toThrow(/dy has 7 elements, not a multiple of n = 6/);
  expect(() => matmul(x, q, { out: new Float32Array(11) })).toThrow(/out has 11 elements, needs 12/);
  expect(() => matmul(x, q, { compute: "bf16" as never })).toThrow(/compute must be "f32" or "int8", got "bf16"/);
  expect(() => matmul(x, q, { accumulate: true })).toThrow(/accumulate needs out/);
  expect(() => matmul(x, { ...q, shape: [6 * 64] })).toThrow(/q.shape must be \[n, k\]/);
  expect(() => matmul(x, { ...q, codes: q.codes.subarray(1) })).toThrow(/q.codes has 191 elements, needs 192/);
});
