// The measuring itself: medians, ratios, and that a wrong result is never timed.
import { expect, test } from "vitest";
import { expectClose, normals } from "../src/case.js";
import { measure, median, ratio } from "../src/measure.js";
import type { Result } from "../src/result.js";
import { compare } from "../src/table.js";

const spin = (ms: number) => () => {
  const end = performance.now() + ms;
  while (performance.now() < end);
};

test("contenders are timed per unit, and their ratio is that of their work", async () => {
  const [one, ten] = await measure(
    [
      { name: "one", run: spin(1) },
      { name: "ten", run: spin(10) },
    ],
    { rounds: 5, batchMs: 6 },
  );
  expect(one!.seconds).toBeGreaterThanOrEqual(0.001);
  expect(ratio(ten!, one!)).toBeGreaterThan(2);
  expect(one!.rounds).toHaveLength(ten!.rounds.length);
});

test("median", () => {
  expect(median([3, 1, 2])).toBe(2);
  expect(median([1, 2, 3, 4])).toBe(2.5);
});

test("a result that is off is refused", () => {
  expect(() => expectClose([1, 2, 3.1], [1, 2, 3], 1e-3, "x")).toThrow(/relative error/);
  expect(() => expectClose([Number.NaN], [1], 1e-3, "x")).toThrow();
});

test("normals have mean 0 and variance 1", () => {
  const values = normals(1 << 16);
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  expect(Math.abs(mean)).toBeLessThan(0.02);
  expect(values.reduce((a, b) => a + b * b, 0) / values.length).toBeCloseTo(1, 1);
});

test("a change within the noise is called so", () => {
  const result = (value: number): Result => ({
    name: "a",
    device: "cpu",
    threads: 2,
    shape: "s",
    value,
    unit: "GB/s",
    spread: 0.02,
    ceiling: null,
    percentOfCeiling: null,
    peers: [],
    machine: "",
    commit: "",
    date: "",
  });
  expect(compare([result(100)], [result(103)])[0]).toContain("within noise");
  expect(compare([result(100)], [result(80)])[0]).toContain("SLOWER");
  expect(compare([result(100)], [result(120)])[0]).toContain("faster");
});
