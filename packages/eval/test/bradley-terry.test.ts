// Bradley–Terry: by hand, against scipy.optimize on the released ratings, and where it has no answer.
import { expect, test } from "vitest";
import { bradleyTerry, bradleyTerryIntervals, type Game, games, gamesOf, readRatings } from "../src/index.js";
import { failure, golden, goldenJson } from "./shared.js";

const vicuna = gamesOf(readRatings(golden("vicuna-ratings.json")).pairwise);
const expected = goldenJson("statistics.json");
const times = (n: number, first: string, second: string, winner: Game["winner"], question = 0) =>
  Array.from({ length: n }, (_, i) => ({ first, second, winner, question: question + i }));

test("two systems, by hand: three wins of four are 400 log₁₀ 3 apart", () => {
  const result = bradleyTerry(games([...times(3, "a", "b", "first"), ...times(1, "b", "a", "first")]));
  expect(result.ratings[0]!.rating - result.ratings[1]!.rating).toBeCloseTo(400 * Math.log10(3), 6);
  expect(result.ratings[0]!.rating + result.ratings[1]!.rating).toBeCloseTo(2000, 8);
  expect(result).toMatchObject({ converged: true, firstAdvantage: 0 });
});

test("order effect, by hand: equal systems, first wins two of three", () => {
  const list = [
    ...times(2, "a", "b", "first"),
    ...times(1, "a", "b", "second"),
    ...times(2, "b", "a", "first"),
    ...times(1, "b", "a", "second"),
  ];
  const result = bradleyTerry(games(list), { orderEffect: true });
  expect(result.firstAdvantage).toBeCloseTo(400 * Math.log10(2), 5);
  for (const r of result.ratings) expect(r.rating).toBeCloseTo(1000, 5);
});

test("the released ratings, against scipy.optimize", () => {
  for (const [orderEffect, theirs] of [
    [false, expected.bradleyTerry],
    [true, expected.orderEffect],
  ] as const) {
    const ours = bradleyTerry(vicuna, { orderEffect });
    expect(ours.converged).toBe(true);
    for (const r of ours.ratings) expect(Math.abs(r.rating - theirs.ratings[r.system]), r.system).toBeLessThan(0.01);
    expect(Math.abs(ours.firstAdvantage - theirs.firstAdvantage)).toBeLessThan(0.01);
  }
});

test("without a finite maximum it says so", async () => {
  await failure("NOT_CONNECTED", () => bradleyTerry(games(times(3, "a", "b", "first"))));
  const islands = [...times(1, "a", "b", "tie"), ...times(1, "c", "d", "tie")];
  await failure("NOT_CONNECTED", () => bradleyTerry(games(islands)));
  const firstAlways = [...times(2, "a", "b", "first"), ...times(2, "b", "a", "first")];
  await failure("NOT_CONNECTED", () => bradleyTerry(games(firstAlways), { orderEffect: true }));
});

test("intervals hold the estimate, shrink with the number of questions, and need more than one", () => {
  const list = (n: number) => games([...times(3 * n, "a", "b", "first"), ...times(2 * n, "a", "b", "second", 3 * n)]);
  const width = (n: number) => {
    const { low, high } = bradleyTerryIntervals(list(n), { resamples: 400 }).get("a")!;
    const rating = bradleyTerry(list(n)).ratings[0]!.rating;
    expect(low).toBeLessThan(rating);
    expect(high).toBeGreaterThan(rating);
    return high - low;
  };
  expect(width(10) / width(40)).toBeCloseTo(2, 0);
  expect(bradleyTerryIntervals(games(times(1, "a", "b", "tie"))).size).toBe(0);
});
