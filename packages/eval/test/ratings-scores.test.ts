// What is made of ratings: pooled scores and order bias by hand, reports of systems the paper does not know.
import { expect, test } from "vitest";
import {
  eloFromRatings,
  formatEloTable,
  formatRelativeTable,
  games,
  orderBias,
  relativeFromRatings,
  relativeScores,
} from "../src/index.js";
import { folder, jsonl, record } from "./shared.js";

test("pooled mean and intervals, by hand", () => {
  const rows = (scores: ([number, number] | null)[]) =>
    scores.map((s, i) => ({ question: i + 1, score1: s?.[0] ?? null, score2: s?.[1] ?? null }));
  const common = { file: "", orderFrom: "record" as const, inverted: false };
  const result = relativeScores(
    [
      { ...common, first: "ref", second: "sys", rows: rows([[10, 5], null, [8, 8]]) },
      { ...common, first: "sys", second: "ref", rows: rows([[7, 8], [2, 10], null]) },
    ],
    { reference: "ref" },
  );
  const [s] = result.scores;
  expect(s).toMatchObject({
    referenceFirst: (100 * 13) / 18,
    systemFirst: (100 * 9) / 18,
    questions: 3,
    failures: { referenceFirst: 1, systemFirst: 1 },
  });
  // Per question: (6, 9), (2, 10), (8, 8).
  expect(s!.mean).toBeCloseTo((100 * 16) / 27, 12);
  const half = (v: number[]) => {
    const m = v.reduce((a, b) => a + b) / 3;
    return 1.96 * Math.sqrt(v.reduce((a, x) => a + (x - m) ** 2, 0) / 9);
  };
  expect(s!.paperInterval).toBeCloseTo(100 * (16 / 27 - (16 / 3 - half([6, 2, 8])) / (9 + half([9, 10, 8]))), 10);
  expect(s!.low).toBeGreaterThanOrEqual(20);
  expect(s!.high).toBeLessThanOrEqual(100);
  expect([result.judgments, result.unparseable]).toEqual([6, 2]);
});

test("order bias, by hand", () => {
  const bias = orderBias(
    games([
      { first: "a", second: "b", winner: "first", question: 1 },
      { first: "b", second: "a", winner: "first", question: 1 },
      { first: "a", second: "b", winner: "first", question: 2 },
      { first: "b", second: "a", winner: "second", question: 2 },
      { first: "a", second: "b", winner: "tie", question: 3 },
      { first: "b", second: "a", winner: "tie", question: 3 },
      { first: "a", second: "b", winner: "second", question: 4 },
    ]),
  );
  expect([bias.firstWins.successes, bias.secondWins.successes, bias.ties.successes]).toEqual([3, 2, 2]);
  expect(bias.swapped).toMatchObject({ pairs: 3, firstBoth: 1, secondBoth: 0, consistent: { successes: 2 } });
  // Ratings per item (a, tie, b): (1,0,1), (2,0,0), (0,2,0): P̄ = 2/3, Pₑ = (1/2)² + (1/3)² + (1/6)².
  const chance = 1 / 4 + 1 / 9 + 1 / 36;
  expect(bias.swapped!.kappa).toBeCloseTo((2 / 3 - chance) / (1 - chance), 12);
  expect(bias.systems[0]).toEqual({ system: "a", first: 2.5 / 4, second: 1.5 / 3, advantage: 2.5 / 4 - 0.5 });
  expect(orderBias(games([{ first: "a", second: "b", winner: "tie" }]))).toMatchObject({
    swapped: null,
    systems: [{ second: null }, { first: null }],
  });
});

test("own systems: a report without the paper's numbers", () => {
  const rows = [1, 2, 3, 4, 5, 6].flatMap((q) => [record(q, `x${q}`, `y${q}`, (q % 3) + 1)]);
  const dir = folder({ "one-vs-two-gpt-4-reviewer-threeclass.jsonl": jsonl(rows) });
  const report = eloFromRatings(dir, { orderings: 200, resamples: 50 });
  expect(report).toMatchObject({ games: 6, sample: 6, sampling: null, human: null, files: 1 });
  expect(report.systems.every((s) => s.paper === null && s.difference === null)).toBe(true);
  expect(JSON.parse(JSON.stringify(report))).toEqual(report);
  expect(formatEloTable(report)).toMatch(/^one .*\n/m);
  const relative = folder({ "one-vs-two-gpt4-reviewer.jsonl": jsonl([record(1, "a", "b", [7, 8])]) });
  expect(formatRelativeTable(relativeFromRatings(relative, { reference: "two" }))).toContain("87.5");
});
