// Dense products against float64 sums: every instruction set, tails of any size, alpha, accumulate, thread counts.
import { afterEach, describe, expect, it } from "vitest";
import { type MatmulOptions, matmul, matmulGradWeight, matmulTransposed } from "../src/index.js";
import * as reference from "../src/matmul_reference.js";
import { native } from "../src/native.js";

const best = native.simd();
const threads = native.threads();
afterEach(() => {
  native.setSimd(best);
  native.setThreads(threads);
});

type Weights = Float32Array | Uint16Array;

function random(length: number, seed: number): Float32Array {
  let state = seed >>> 0;
  return Float32Array.from({ length }, () => {
    let sum = 0;
    for (let i = 0; i < 4; i++) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      sum += state / 2 ** 32 - 0.5;
    }
    return sum;
  });
}

const toBf16 = (x: Float32Array) => Uint16Array.from(new Uint32Array(x.buffer), (bits) => bits >>> 16);

/** ‖a − b‖ / ‖b‖ */
function distance(a: Float32Array, b: Float32Array): number {
  let error = 0;
  let norm = 0;
  for (let i = 0; i < b.length; i++) {
    error += (a[i]! - b[i]!) ** 2;
    norm += b[i]! ** 2;
  }
  return Math.sqrt(error / (norm || 1));
}

type Product = (a: Float32Array, b: never, out: Float32Array, options: MatmulOptions) => void;
const products = [
  { name: "matmul", run: matmul, oracle: reference.matmul, sizes: ["mk", "nk", "mn"], bf16: true },
  {
    name: "matmulTransposed",
    run: matmulTransposed,
    oracle: reference.matmulTransposed,
    sizes: ["mn", "nk", "mk"],
    bf16: true,
  },
  {
    name: "matmulGradWeight",
    run: matmulGradWeight,
    oracle: reference.matmulGradWeight,
    sizes: ["mn", "mk", "nk"],
    bf16: false,
  },
] as { name: string; run: Product; oracle: Product; sizes: string[]; bf16: boolean }[];

function operands(sizes: string[], { m, n, k }: { m: number; n: number; k: number }, bf16: boolean) {
  const size = (name: string) => [...name].reduce((product, d) => product * { m, n, k }[d as "m" | "n" | "k"], 1);
  const right = random(size(sizes[1]!), 2);
  return {
    left: random(size(sizes[0]!), 1),
    right: (bf16 ? toBf16(right) : right) as never,
    out: random(size(sizes[2]!), 3),
  };
}

const shapes = [
  { m: 1, n: 1, k: 1 },
  { m: 3, n: 5, k: 7 },
  { m: 8, n: 48, k: 64 },
  { m: 17, n: 49, k: 65 },
  { m: 1, n: 300, k: 517 },
  { m: 7, n: 16, k: 385 },
  { m: 49, n: 191, k: 129 },
  { m: 67, n: 33, k: 1000 },
  { m: 301, n: 97, k: 31 },
];

describe.each(products)("$name", ({ run, oracle, sizes, bf16 }) => {
  describe.each(native.simds())("%s", (simd) => {
    it.each(shapes)("$m × $n × $k within 1e-6", (shape) => {
      native.setSimd(simd);
      for (const half of bf16 ? [false, true] : [false])
        for (const alpha of [1, -0.5])
          for (const accumulate of [false, true]) {
            const { left, right, out } = operands(sizes, shape, half);
            const expected = out.slice();
            oracle(left, right, expected, { ...shape, alpha, accumulate });
            run(left, right, out, { ...shape, alpha, accumulate });
            expect(distance(out, expected)).toBeLessThan(1e-6);
          }
    });
  });

  it("does nothing to an empty output, and writes zeros for an empty sum", () => {
    for (const empty of ["m", "n", "k"]) {
      const shape = { m: 5, n: 6, k: 7, [empty]: 0 };
      const { left, right, out } = operands(sizes, shape, false);
      const expected = out.slice();
      run(left, right, out, { ...shape, accumulate: true });
      expect(out).toEqual(expected);
      run(left, right, out, { ...shape, accumulate: false });
      expect([...out].every((v) => v === 0)).toBe(true);
    }
  });

  it("writes nothing beyond the output", () => {
    const shape = { m: 13, n: 21, k: 19 };
    const { left, right, out } = operands(sizes, shape, false);
    const longer = new Float32Array(out.length + 8).fill(7);
    run(left, right, longer, { ...shape, accumulate: false });
    expect([...longer.subarray(out.length)]).toEqual(new Array(8).fill(7));
  });

  it("gives the same bits with any number of threads", () => {
    for (const shape of [
      { m: 300, n: 500, k: 700 },
      { m: 16, n: 700, k: 900 },
      { m: 2000, n: 64, k: 100 },
    ]) {
      const results = [1, 2, 3, 8].map((count) => {
        native.setThreads(count);
        const { left, right, out } = operands(sizes, shape, false);
        run(left, right, out, { ...shape, accumulate: true });
        return out;
      });
      for (const result of results) expect(distance(result, results[0]!)).toBe(0);
    }
  });

  it("a reduction as long as a vocabulary: within 1e-6, the same bits with any number of threads", () => {
    const sizeOf = (d: "m" | "n" | "k") => (sizes[2]!.includes(d) ? (d === sizes[2]![0] ? 50 : 610) : 16500);
    const shape = { m: sizeOf("m"), n: sizeOf("n"), k: sizeOf("k"), accumulate: false };
    const { left, right, out: expected } = operands(sizes, shape, false);
    oracle(left, right, expected, shape);
    const results = [1, 2, 8].map((count) => {
      native.setThreads(count);
      const out = new Float32Array(expected.length);
      run(left, right, out, shape);
      return out;
    });
    expect(distance(results[0]!, expected)).toBeLessThan(1e-6);
    for (const result of results) expect(distance(result, results[0]!)).toBe(0);
  });

  it("names the argument that is wrong", () => {
    const shape = { m: 2, n: 3, k: 4 };
    const { left, right, out } = operands(sizes, shape, false);
    expect(() => run(left, right, out.subarray(1), shape)).toThrow(RangeError);
    expect(() => run(left.subarray(1), right, out, shape)).toThrow(/(x|dy) has \d+ elements, needs \d+/);
    expect(() => run(left, right, out, { ...shape, m: -1 })).toThrow(/m must be a whole number/);
    expect(() => run([1, 2] as never, right, out, shape)).toThrow(TypeError);
    expect(() => run(left, new Float64Array(100) as never, out, shape)).toThrow(TypeError);
  });
});

const int8 = [
  { name: "matmul", run: matmul, oracle: reference.matmulInt8, exact: reference.matmul },
  {
    name: "matmulTransposed",
    run: matmulTransposed,
    oracle: reference.matmulTransposedInt8,
    exact: reference.matmulTransposed,
  },
] as { name: string; run: Product; oracle: Product; exact: Product }[];

describe.each(int8)("$name in 8 bits", ({ name, run, oracle, exact }) => {
  const sizes = products.find((product) => product.name === name)!.sizes;
  const compute = "int8";

  describe.each(native.simds())("%s", (simd) => {
    it.each(shapes)("$m × $n × $k: the integers of the reference", (shape) => {
      native.setSimd(simd);
      for (const half of [false, true])
        for (const alpha of [1, -0.5])
          for (const accumulate of [false, true]) {
            const { left, right, out } = operands(sizes, shape, half);
            const expected = out.slice();
            oracle(left, right, expected, { ...shape, alpha, accumulate });
            run(left, right, out, { ...shape, alpha, accumulate, compute } as MatmulOptions);
            expect(distance(out, expected)).toBeLessThan(1e-6);
          }
    });
  });

  it("is within 1 % of the exact product, within 2 % with 20 outlier channels of 20 times the size", () => {
    const shape = { m: 128, n: 512, k: 1024 };
    for (const [outliers, most] of [
      [0, 0.01],
      [20, 0.02],
    ] as const) {
      const { left, right, out } = operands(sizes, shape, false);
      const depth = left.length / shape.m;
      for (let i = 0; i < shape.m; i++) for (let j = 0; j < outliers; j++) left[i * depth + ((j * 37) % depth)]! *= 20;
      const expected = out.slice();
      exact(left, right, expected, shape);
      run(left, right, out, { ...shape, compute } as MatmulOptions);
      const error = distance(out, expected);
      expect(error).toBeLessThan(most);
      expect(error).toBeGreaterThan(1e-3); // it is in 8 bits
    }
  });

  it("gives the same bits with any number of threads, also where the reduction is as long as a vocabulary", () => {
    for (const shape of [
      { m: 300, n: 500, k: 700 },
      { m: 16, n: 16500, k: 90 },
      { m: 50, n: 16500, k: 610 },
    ]) {
      const results = [1, 2, 3, 8].map((count) => {
        native.setThreads(count);
        const { left, right, out } = operands(sizes, shape, false);
        run(left, right, out, { ...shape, accumulate: true, compute } as MatmulOptions);
        return out;
      });
      for (const result of results) expect(distance(result, results[0]!)).toBe(0);
    }
  });

  it("passes on what is not a number, in its row or column alone; zeros where there is nothing to sum", () => {
    const shape = { m: 9, n: 70, k: 70 };
    const { left, right, out } = operands(sizes, shape, false);
    left[3 * 70 + 5] = Number.NaN;
    run(left, right, out, { ...shape, compute } as MatmulOptions);
    for (let i = 0; i < out.length; i++) expect(Number.isNaN(out[i]!)).toBe(Math.floor(i / 70) === 3);
    run(left, right, out, { ...shape, [name === "matmul" ? "k" : "n"]: 0, compute } as MatmulOptions);
    expect(out.every((v) => v === 0)).toBe(true);
  });

  it("says what it does not know", () => {
    const { left, right, out } = operands(sizes, { m: 2, n: 3, k: 4 }, false);
    const call =
      (compute: unknown, x: unknown = left) =>
      () =>
        run(x as Float32Array, right, out, { m: 2, n: 3, k: 4, compute } as MatmulOptions);
    expect(call("int4")).toThrow(/^compute must be "f32" or "int8", got "int4"$/);
    expect(call("int8", left.subarray(1))).toThrow(/(x|dy) has \d+ elements, needs \d+/);
  });
});

const weights: Weights = new Uint16Array([0x3f80, 0x4000]);
it("reads bf16 weights exactly", () => {
  const y = new Float32Array(1);
  matmul(new Float32Array([3, 5]), weights, y, { m: 1, n: 1, k: 2 });
  expect(y[0]).toBe(13);
});
