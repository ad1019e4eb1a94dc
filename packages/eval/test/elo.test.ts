// Elo: by hand, invariants, and against an independent NumPy simulation of the released ratings.
import fc from "fast-check";
import { expect, test } from "vitest";
import { elo, eloCurve, type Game, games, gamesOf, readRatings } from "../src/index.js";
import { golden, goldenJson } from "./shared.js";

const vicuna = gamesOf(readRatings(golden("vicuna-ratings.json")).pairwise);
const expected = goldenJson("statistics.json");

test("one game, by hand", () => {
  const one = elo(games([{ first: "a", second: "b", winner: "first" }]), { orderings: 3 });
  expect(one.ratings.map((r) => [r.system, r.elo])).toEqual([
    ["a", 1016],
    ["b", 984],
  ]);
  expect(elo(games([{ first: "a", second: "b", winner: "tie" }])).ratings[0]!.elo).toBe(1000);
  const options = { k: 10, start: 1500, orderings: 1 };
  expect(elo(games([{ first: "a", second: "b", winner: "second" }]), options).ratings[0]).toMatchObject({
    system: "b",
    elo: 1505,
  });
});

test("two games: the second is scored with the updated expectation, averaged over both orders", () => {
  const two = games([
    { first: "a", second: "b", winner: "first" },
    { first: "b", second: "a", winner: "tie" },
  ]);
  const expectation = (d: number) => 1 / (1 + 10 ** (d / 400));
  const winThenTie = 1016 + 32 * (0.5 - expectation(-32));
  const tieThenWin = 1016;
  const result = elo(two, { orderings: 4000 });
  expect(result.ratings[0]!.elo).toBeCloseTo((winThenTie + tieThenWin) / 2, 1);
  expect(result.ratings[0]!.low).toBeCloseTo(winThenTie, 9);
  expect(result.ratings[0]!.high).toBe(tieThenWin);
});

const game = fc.record({
  first: fc.constantFrom("a", "b", "c"),
  second: fc.constantFrom("d", "e"),
  winner: fc.constantFrom("first" as const, "second" as const, "tie" as const),
  question: fc.nat(5),
});

test("points are conserved, results do not depend on who is listed first, the same seed gives the same result", () => {
  fc.assert(
    fc.property(
      fc.array(game, { minLength: 1, maxLength: 40 }),
      fc.constantFrom("none" as const, "questions" as const),
      (list, resample) => {
        const packed = games(list as Game[]);
        const options = { orderings: 20, seed: 4, resample };
        const result = elo(packed, options);
        const sum = result.ratings.reduce((s, r) => s + r.elo, 0);
        expect(sum).toBeCloseTo(1000 * result.ratings.length, 6);
        expect(elo(packed, options)).toEqual(result);
        const turned = elo(
          games(
            list.map((g) => ({
              ...g,
              first: g.second,
              second: g.first,
              winner: g.winner === "tie" ? "tie" : g.winner === "first" ? "second" : "first",
            })),
          ),
          options,
        );
        for (const r of result.ratings)
          expect(turned.ratings.find((t) => t.system === r.system)!.elo).toBeCloseTo(r.elo, 6);
      },
    ),
    { numRuns: 50 },
  );
});

test("the simulation agrees with NumPy's, with 500 games and with all", () => {
  for (const reference of expected.elo) {
    const ours = elo(vicuna, { orderings: reference.orderings, sample: reference.sample, seed: 1 });
    for (const r of ours.ratings) {
      const theirs = reference.mean[r.system];
      const sd = reference.sd[r.system];
      const noise = sd * Math.sqrt(2 / reference.orderings);
      expect(Math.abs(r.elo - theirs), r.system).toBeLessThan(4 * noise);
      expect(r.sd / sd, r.system).toBeCloseTo(1, 0.7);
    }
  }
});

test("the curve is the mean after so many games", () => {
  const curve = eloCurve(vicuna, [500, 50, vicuna.first.length], { orderings: 3000, seed: 2 });
  expect(curve.samples).toEqual([50, 500, 4467]);
  for (const [i, sample] of curve.samples.entries()) {
    const direct = elo(vicuna, { orderings: 3000, sample, seed: 3 });
    for (const r of direct.ratings) {
      const point = curve.elo[curve.systems.indexOf(r.system)]![i]!;
      expect(Math.abs(point - r.elo)).toBeLessThan(4 * r.sd * Math.sqrt(2 / 3000));
    }
  }
  expect(() => eloCurve(vicuna, [5000])).toThrow("5000 games asked of 4467");
});

test("resampling questions widens the spread", () => {
  const spread = (resample: "none" | "questions") =>
    elo(vicuna, { orderings: 1000, resample }).ratings.map((r) => r.sd);
  const [plain, resampled] = [spread("none"), spread("questions")];
  expect(resampled.reduce((a, b) => a + b) / plain.reduce((a, b) => a + b)).toBeGreaterThan(1.05);
});

test("10,000 orderings of 4,467 games take seconds", () => {
  const before = process.cpuUsage();
  const result = elo(vicuna, { orderings: 10_000 });
  const { user } = process.cpuUsage(before);
  expect([result.games, result.sample, result.ties, result.unparseable]).toEqual([4467, 4467, 600, 13]);
  expect(user / 1e6).toBeLessThan(15); // CPU seconds, so that a busy machine does not count; about 2 where this was written
});

test("bad arguments", () => {
  expect(() => elo(vicuna, { orderings: 0 })).toThrow("orderings must be a positive integer, got 0");
  expect(() => elo(vicuna, { sample: 1.5 })).toThrow("sample");
  expect(() => games([{ first: "a", second: "a", winner: "tie" }])).toThrow("compared with itself");
});
