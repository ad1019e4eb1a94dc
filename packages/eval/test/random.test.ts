// The seeded generator: published values, uniformity, shuffles.
import { expect, test } from "vitest";
import { createRandom, shuffle, xoshiro128 } from "../src/random.js";

test("xoshiro128** gives the published sequence", () => {
  // State 1, 2, 3, 4 through the authors' xoshiro128starstar.c (version 1.1).
  const random = xoshiro128(1, 2, 3, 4);
  const values = Array.from({ length: 10 }, () => random.next());
  expect(values).toEqual([
    11520, 0, 5927040, 70819200, 2031721883, 1637235492, 1287239034, 3734860849, 3729100597, 4258142804,
  ]);
});

test("a seed gives one stream, different seeds different ones", () => {
  const stream = (seed: number) =>
    Array.from(
      { length: 5 },
      (
        (r) => () =>
          r.next()
      )(createRandom(seed)),
    );
  expect(stream(7)).toEqual(stream(7));
  const seeds = [0, 1, 2, -1, 2 ** 32, 2 ** 32 + 1, 2 ** 40, Number.MAX_SAFE_INTEGER];
  expect(new Set(seeds.map((s) => stream(s).join())).size).toBe(seeds.length);
  expect(() => createRandom(0.5)).toThrow(RangeError);
});

test("draws are uniform: χ² of 64 bins", () => {
  const random = createRandom(3);
  const bins = new Float64Array(64);
  const n = 640_000;
  for (let i = 0; i < n; i++) bins[random.below(64)]! += 1;
  const chi2 = bins.reduce((sum, count) => sum + (count - n / 64) ** 2 / (n / 64), 0);
  expect(chi2).toBeLessThan(103.4); // 99.9 % quantile of χ² with 63 degrees of freedom
  expect(chi2).toBeGreaterThan(32.5); // 0.05 %: too even would be wrong, too
});

test("shuffle permutes, every order is as likely, and a partial shuffle is a sample", () => {
  const random = createRandom(5);
  const counts = new Map<string, number>();
  for (let i = 0; i < 24_000; i++) {
    const items = Int32Array.of(0, 1, 2, 3);
    shuffle(items, random);
    counts.set(items.join(), (counts.get(items.join()) ?? 0) + 1);
  }
  expect(counts.size).toBe(24);
  const chi2 = [...counts.values()].reduce((sum, c) => sum + (c - 1000) ** 2 / 1000, 0);
  expect(chi2).toBeLessThan(49.7); // 99.9 %, 23 degrees of freedom
  const first = new Float64Array(10);
  for (let i = 0; i < 20_000; i++) {
    const items = Int32Array.from({ length: 10 }, (_, k) => k);
    shuffle(items, random, 2);
    expect([...items].sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    first[items[0]!]! += 1;
    first[items[1]!]! += 1;
  }
  for (const count of first) expect(Math.abs(count - 4000)).toBeLessThan(250); // σ = 57
});
