// Statistics against SciPy and statsmodels (conformance/statistics_golden.py), and what must hold by definition.
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  bootstrap,
  bootstrapMean,
  createRandom,
  fleissKappa,
  kendallTau,
  meanInterval,
  normalCdf,
  normalQuantile,
  pairedTost,
  quantile,
  ranks,
  spearman,
  standardDeviation,
  studentCdf,
  studentQuantile,
  wilson,
} from "../src/index.js";
import { goldenJson } from "./shared.js";

const expected = goldenJson("statistics.json");

/** Relative agreement, so that tails of 1e-300 count like anything else. */
function close(ours: number, theirs: number, tolerance = 1e-11): void {
  if (Math.abs(ours - theirs) <= tolerance * Math.abs(theirs)) return;
  if (Math.abs(theirs) < 1e-15 && Math.abs(ours) < 1e-15) return;
  expect(ours).toBe(theirs);
}

test("normal and Student distributions and quantiles", () => {
  for (const [x, p] of expected.normalCdf) close(normalCdf(x), p);
  for (const [p, x] of expected.normalQuantile) close(normalQuantile(p), x);
  for (const [x, df, p] of expected.studentCdf) close(studentCdf(x, df), p);
  for (const [p, df, x] of expected.studentQuantile) close(studentQuantile(p, df), x, 1e-10);
  expect(studentCdf(Number.POSITIVE_INFINITY, 3)).toBe(1);
  expect(studentCdf(Number.NEGATIVE_INFINITY, 3)).toBe(0);
  expect(() => normalQuantile(0)).toThrow(RangeError);
  expect(() => studentQuantile(0.5, 0)).toThrow("degrees of freedom");
});

test("quantile and cdf are inverse to each other, and symmetric", () => {
  fc.assert(
    fc.property(
      fc.double({ min: 1e-9, max: 1 - 1e-9, noNaN: true }),
      fc.double({ min: 0.7, max: 500, noNaN: true }),
      (p, df) => {
        const t = studentQuantile(p, df);
        expect(Math.abs(studentCdf(t, df) - p)).toBeLessThan(1e-12);
        close(studentCdf(-t, df), 1 - studentCdf(t, df), 1e-6);
      },
    ),
  );
});

test("mean with its t interval, standard deviation, quantiles", () => {
  const interval = meanInterval(expected.a);
  close(interval.low, expected.interval95[0]);
  close(interval.high, expected.interval95[1]);
  close(interval.sd, expected.sd);
  close(interval.mean + interval.half, interval.high);
  const sorted = [...expected.a].sort((x, y) => x - y);
  for (const [p, q] of expected.quantiles) close(quantile(sorted, p), q, 1e-14);
  expect(() => meanInterval([1])).toThrow("two values");
  expect(() => standardDeviation([])).toThrow(RangeError);
  expect(() => meanInterval([1, 2], { level: 95 })).toThrow("level");
});

test("Wilson interval", () => {
  for (const [k, n, level, low, high] of expected.wilson) {
    const p = wilson(k, n, { level });
    expect(Math.abs(p.low - low)).toBeLessThan(1e-12);
    expect(Math.abs(p.high - high)).toBeLessThan(1e-12);
    expect(p.value).toBe(k / n);
  }
  expect(() => wilson(3, 2)).toThrow("3 successes of 2");
  expect(() => wilson(0, 0)).toThrow(RangeError);
});

test("paired TOST", () => {
  const result = pairedTost(expected.a, expected.b, { margin: 0.1 });
  close(result.p, expected.tost.p, 1e-10);
  close(result.pLower, expected.tost.lower, 1e-10);
  close(result.pUpper, expected.tost.upper, 1e-10);
  close(result.pDifferent, expected.tost.different, 1e-10);
  expect(result.equivalent).toBe(true);
  expect(pairedTost(expected.a, expected.b, { margin: 0.02 }).equivalent).toBe(false);
  expect(() => pairedTost([1, 2], [1], { margin: 1 })).toThrow("2 values against 1");
  expect(() => pairedTost([1, 2], [1, 2], { margin: 0 })).toThrow("margin");
});

test("TOST is the 1 − 2α interval inside the margin, also without variance", () => {
  const pair = fc.array(
    fc.tuple(fc.double({ min: -5, max: 5, noNaN: true }), fc.double({ min: -5, max: 5, noNaN: true })),
    {
      minLength: 2,
      maxLength: 12,
    },
  );
  fc.assert(
    fc.property(pair, fc.double({ min: 0.05, max: 6, noNaN: true }), (pairs, margin) => {
      const r = pairedTost(
        pairs.map((p) => p[0]),
        pairs.map((p) => p[1]),
        { margin },
      );
      const slack = Math.min(r.interval.low + margin, margin - r.interval.high);
      if (Math.abs(slack) > 1e-9) expect(r.equivalent).toBe(slack > 0);
    }),
  );
  expect(pairedTost([1, 2, 3], [1, 2, 3], { margin: 0.1 })).toMatchObject({ equivalent: true, p: 0, pDifferent: 1 });
  expect(pairedTost([2, 3, 4], [1, 2, 3], { margin: 0.5 })).toMatchObject({ equivalent: false, p: 1, pDifferent: 0 });
});

test("bootstrap: seeded, close to the t interval for a mean, and it covers", () => {
  const interval = bootstrapMean(expected.a);
  expect(interval).toEqual(bootstrapMean(expected.a));
  expect(interval).not.toEqual(bootstrapMean(expected.a, { seed: 1 }));
  const t = meanInterval(expected.a);
  expect(interval.mean).toBe(t.mean);
  // The percentile interval of 12 values is narrower than the t interval, by z/t · √(11/12) = 0.853 in expectation.
  expect((interval.high - interval.low) / (t.high - t.low)).toBeCloseTo(0.853, 1);
  const random = createRandom(11);
  let covered = 0;
  for (let r = 0; r < 300; r++) {
    const values = Float64Array.from({ length: 40 }, () => random.uniform());
    const { low, high } = bootstrapMean(values, { resamples: 300, seed: r });
    if (low <= 0.5 && 0.5 <= high) covered++;
  }
  expect(covered).toBeGreaterThan(265); // 95 % of 300 is 285, σ = 3.8; percentile intervals of 40 cover a little less
  expect(() => bootstrap(0, () => 0)).toThrow("n must be");
});

test("Kendall τ-b, Spearman ρ, ranks with ties, Fleiss κ", () => {
  close(kendallTau(expected.x, expected.y), expected.kendall);
  close(spearman(expected.x, expected.y), expected.spearman);
  expect([...ranks(expected.x)]).toEqual(expected.ranks);
  close(fleissKappa(expected.counts), expected.fleiss);
  expect(
    fleissKappa([
      [2, 0],
      [0, 2],
    ]),
  ).toBe(1);
  expect(kendallTau([1, 2, 3], [3, 2, 1])).toBe(-1);
  expect(spearman([1, 1], [1, 2])).toBeNaN();
  expect(() =>
    fleissKappa([
      [2, 0],
      [1, 0],
    ]),
  ).toThrow("item 1 has 1 ratings");
  expect(() => fleissKappa([[1, 0]])).toThrow("two raters");
  expect(() => kendallTau([1], [1])).toThrow("two values");
});
