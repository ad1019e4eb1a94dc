// What the tests compare with: random arrays, tolerances with their reasons, golden files, gradients by finite
// differences.
import { readFileSync } from "node:fs";
import { expect } from "vitest";
import type { Floats } from "../src/reference.js";

/** A few roundings of 2^-24 and an exponential good to 2 ulp. */
export const FEW_ROUNDINGS = 1e-6;
/** Sums of up to some thousand terms in float32, kept in 4 to 64 running sums: their errors grow like √n · 2^-24. */
export const FLOAT32_SUMS = 4e-6;
/** Float64 central differences with step 1e-5: h² · f‴/6 and 2^-52 · f/h are both below this. */
export const DIFFERENCES = 1e-7;

/** About normal, the same for the same seed. */
export function random(n: number, seed: number, scale = 1): Float32Array {
  let state = Math.imul(seed + 1, 2654435761) >>> 0;
  return Float32Array.from({ length: n }, () => {
    let sum = 0;
    for (let i = 0; i < 4; i++) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      sum += state / 2 ** 32 - 0.5;
    }
    return sum * 1.7 * scale;
  });
}

/**
 * Each element within tolerance · the largest expected magnitude; infinities and NaN in the same places. `terms` is how
 * large what is added up is, where more cancels than remains.
 */
export function expectClose(
  actual: Floats,
  expected: ArrayLike<number>,
  tolerance: number,
  { what = "", terms = 0 } = {},
): void {
  const finite = Array.from(expected).filter(Number.isFinite);
  const bound = tolerance * finite.reduce((a, b) => Math.max(a, Math.abs(b)), terms);
  for (let i = 0; i < expected.length; i++) {
    const same = Number.isFinite(expected[i])
      ? Math.abs(actual[i]! - expected[i]!) <= bound
      : Object.is(actual[i], expected[i]);
    if (!same) expect.fail(`${what}[${i}] is ${actual[i]}, expected ${expected[i]} within ${bound}`);
  }
}

// biome-ignore lint/suspicious/noExplicitAny: the fields are listed in conformance/kernels_golden.py
export type Golden = any;

/** Cases of PyTorch's results; "inf", "-inf" and "nan" become numbers. */
export function golden(name: string): Golden[] {
  const word: Record<string, number> = { inf: Infinity, "-inf": -Infinity, nan: Number.NaN };
  const text = readFileSync(new URL(`golden/${name}.json`, import.meta.url), "utf8");
  return JSON.parse(text, (key, value) =>
    typeof value === "string" && key !== "source" ? (word[value] ?? value) : value,
  ).cases;
}

export const f32 = (values: number[]): Float32Array => Float32Array.from(values);
export const i32 = (values: number[]): Int32Array => Int32Array.from(values);
export const f64 = (values: ArrayLike<number>): Float64Array => Float64Array.from(values);

/** The gradient of a scalar function of float64 arrays by x, by central differences. */
export function differences(x: Float64Array, loss: () => number, step = 1e-5): Float64Array {
  return x.map((value, i) => {
    x[i] = value + step;
    const above = loss();
    x[i] = value - step;
    const below = loss();
    x[i] = value;
    return (above - below) / (2 * step);
  });
}

/** Σ a·b */
export const weigh = (a: Floats, b: Floats): number => Array.from(a).reduce((sum, value, i) => sum + value * b[i]!, 0);
