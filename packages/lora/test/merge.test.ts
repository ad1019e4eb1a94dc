// Merging: what layer and adapter give together, the merged layer gives alone; taking out undoes it.
import { matmul } from "@qlora/kernels";
import { expect, test } from "vitest";
import { createAdapter, loraForward, mergeInto, unmergeFrom } from "../src/index.js";
import { difference, random } from "./shared.js";

const [m, n, k, r] = [9, 33, 40, 5];

function setting() {
  const adapter = createAdapter({ inFeatures: k, outFeatures: n, r, alpha: 7, rslora: true, seed: 2 });
  adapter.b.set(random(n * r, 8));
  return { adapter, weight: random(n * k, 1), x: random(m * k, 2) };
}

test("w += s·B·A, as close as float32 comes to float64", () => {
  const { adapter, weight } = setting();
  const { a, b, scaling } = adapter;
  const exact = Float64Array.from(weight, (w, i) => {
    let sum = 0;
    for (let j = 0; j < r; j++) sum += b[Math.floor(i / k) * r + j]! * a[j * k + (i % k)]!;
    return w + scaling * sum;
  });
  mergeInto(weight, adapter);
  expect(difference(weight, exact)).toBeLessThan(2e-7);
});

test("the merged layer gives what layer and adapter gave", () => {
  const { adapter, weight, x } = setting();
  const y = new Float32Array(m * n);
  matmul(x, weight, y, { m, n, k });
  loraForward(x, [adapter], [y], new Float32Array(m * r), { m });
  mergeInto(weight, adapter);
  const merged = new Float32Array(m * n);
  matmul(x, weight, merged, { m, n, k });
  expect(difference(merged, y)).toBeLessThan(1e-6);
});

test("unmerging: exact where nothing rounds, within a rounding elsewhere", () => {
  const { adapter, weight } = setting();
  const before = weight.slice();
  mergeInto(weight, adapter);
  expect(difference(weight, before)).toBeGreaterThan(0.01);
  unmergeFrom(weight, adapter);
  expect(difference(weight, before)).toBeLessThan(2e-7);

  const small = createAdapter({ inFeatures: k, outFeatures: n, r: 4, alpha: 2, seed: 2 });
  for (const x of [small.a, small.b, weight]) x.set(x.map((_, i) => ((i * 37) % 17) - 8));
  const whole = weight.slice();
  mergeInto(weight, small);
  expect(weight.every((value, i) => value === whole[i])).toBe(false);
  unmergeFrom(weight, small);
  expect(weight).toEqual(whole);
});

test("a new adapter merges to the same bits", () => {
  const adapter = createAdapter({ inFeatures: k, outFeatures: n, r, alpha: 7, seed: 2 });
  const weight = random(n * k, 1);
  mergeInto(weight, adapter);
  expect(weight).toEqual(random(n * k, 1));
});

test("a weight of another size is refused", () => {
  const { adapter, weight } = setting();
  expect(() => mergeInto(weight.subarray(1), adapter)).toThrow("weight must have 33 × 40 elements, got 1319");
});
