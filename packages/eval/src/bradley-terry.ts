// Bradley–Terry: P(i beats j) = πᵢ/(πᵢ + πⱼ), the order-free counterpart of Elo, fitted by the MM algorithm of Hunter (2004,
// Ann. Statist. 32:384, §2–3). A tie counts as half a win for each. With `orderEffect` the system shown first has its
// strength multiplied by θ: P(i beats j | i first) = θπᵢ/(θπᵢ + πⱼ).
import { EvaluationError } from "./errors.js";
import { createRandom } from "./random.js";
import type { Games } from "./ratings/games.js";
import { quantile } from "./statistics/describe.js";

export interface BradleyTerryOptions {
  /** Also estimate the advantage θ of being shown first. */
  orderEffect?: boolean;
  /** Stop when no rating moves by more than this, in Elo points. */
  tolerance?: number;
  maxIterations?: number;
  /** Mean rating. */
  center?: number;
}

export interface BradleyTerryResult {
  /** Best first; `rating` = center + 400 log₁₀ π with the mean over systems at `center`. */
  ratings: { system: string; rating: number }[];
  /** 400 log₁₀ θ in Elo points; 0 when it is not estimated. */
  firstAdvantage: number;
  iterations: number;
  converged: boolean;
}

/**
 * Maximum-likelihood ratings on the Elo scale. Needs no order and no sampling.
 * @throws EvaluationError NOT_CONNECTED when the systems fall into groups of which one never took a point off the other: the
 * likelihood then has no finite maximum (Hunter, assumption 1)
 */
export function bradleyTerry(games: Games, options: BradleyTerryOptions = {}): BradleyTerryResult {
  const { orderEffect = false, tolerance = 1e-8, maxIterations = 10_000, center = 1000 } = options;
  const n = games.systems.length;
  const meetings = new Float64Array(n * n); // [first, second]: games
  const wins = new Float64Array(n); // points of each system
  const beat = new Float64Array(n * n); // [i, j]: points i took off j, either order
  let firstPoints = 0;
  for (let g = 0; g < games.first.length; g++) {
    const i = games.first[g]!;
    const j = games.second[g]!;
    const s = games.score[g]!;
    meetings[i * n + j]! += 1;
    wins[i]! += s;
    wins[j]! += 1 - s;
    beat[i * n + j]! += s;
    beat[j * n + i]! += 1 - s;
    firstPoints += s;
  }
  if (!stronglyConnected(beat, n)) {
    throw new EvaluationError(
      "NOT_CONNECTED",
      "some systems never took a point off the others, so no finite rating fits",
    );
  }
  if (orderEffect && (firstPoints === 0 || firstPoints === games.first.length)) {
    throw new EvaluationError(
      "NOT_CONNECTED",
      "one position took every point, so the order effect has no finite estimate",
    );
  }
  const log = new Float64Array(n); // ln π
  let logTheta = 0;
  let iterations = 0;
  let converged = false;
  const expected = new Float64Array(n); // points each system is expected to take
  const expectFirst = () => {
    expected.fill(0);
    let sum = 0; // points expected of the first position
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < n; j++) {
        const m = meetings[i * n + j]!;
        if (m === 0) continue;
        const p = m / (1 + Math.exp(log[j]! - log[i]! - logTheta));
        expected[i]! += p;
        expected[j]! += m - p;
        sum += p;
      }
    }
    return sum;
  };
  while (!converged && iterations < maxIterations) {
    iterations++;
    expectFirst();
    // π ← π · points / expected points: Hunter's update πᵢ = Wᵢ / Σ Nᵢⱼ/(πᵢ + πⱼ), written on logarithms.
    const change = expected.map((e, i) => Math.log(wins[i]! / e));
    const shift = (log.reduce((a, b) => a + b, 0) + change.reduce((a, b) => a + b, 0)) / n;
    for (let i = 0; i < n; i++) log[i]! += change[i]! - shift;
    let moved = change.reduce((a, c) => Math.max(a, Math.abs(c - shift)), 0);
    if (orderEffect) {
      const step = Math.log(firstPoints / expectFirst()); // θ in turn, at the new π (cyclic MM)
      logTheta += step;
      moved = Math.max(moved, Math.abs(step));
    }
    converged = moved * ELO < tolerance;
  }
  const ratings = games.systems.map((system, i) => ({ system, rating: center + log[i]! * ELO }));
  ratings.sort((a, b) => b.rating - a.rating);
  return { ratings, firstAdvantage: logTheta * ELO, iterations, converged };
}

/**
 * 95 % intervals of the ratings by a cluster bootstrap: whole questions are drawn with replacement, because the verdicts on
 * one question are not independent. Empty when there is only one question. Draws that are not connected have no ratings and
 * are left out.
 */
export function bradleyTerryIntervals(
  games: Games,
  { resamples = 1000, seed = 0 }: { resamples?: number; seed?: number } = {},
): Map<string, { low: number; high: number }> {
  const questions = [...new Set(games.question)];
  if (questions.length < 2) return new Map();
  const members = new Map(questions.map((q) => [q, [] as number[]]));
  for (const [g, q] of games.question.entries()) members.get(q)!.push(g);
  const random = createRandom(seed);
  const draws = new Map(games.systems.map((system) => [system, [] as number[]]));
  for (let r = 0; r < resamples; r++) {
    const drawn = questions.flatMap(() => members.get(questions[random.below(questions.length)]!)!);
    const resample: Games = {
      systems: games.systems,
      first: Uint16Array.from(drawn, (g) => games.first[g]!),
      second: Uint16Array.from(drawn, (g) => games.second[g]!),
      score: Float64Array.from(drawn, (g) => games.score[g]!),
      question: new Int32Array(drawn.length),
      unparseable: 0,
    };
    try {
      for (const { system, rating } of bradleyTerry(resample, { tolerance: 1e-3 }).ratings)
        draws.get(system)!.push(rating);
    } catch (error) {
      if (!(error instanceof EvaluationError && error.code === "NOT_CONNECTED")) throw error;
    }
  }
  const usable = [...draws].filter(([, values]) => values.length > 0);
  return new Map(
    usable.map(([system, values]) => {
      const sorted = Float64Array.from(values).sort();
      return [system, { low: quantile(sorted, 0.025), high: quantile(sorted, 0.975) }];
    }),
  );
}

/** Elo points per natural-log unit of strength. */
const ELO = 400 / Math.LN10;

/** Whether every system reaches every other along "took a point off". */
function stronglyConnected(beat: Float64Array, n: number): boolean {
  const reaches = (edge: (from: number, to: number) => boolean) => {
    const seen = new Set([0]);
    const queue = [0];
    for (let from = queue.pop(); from !== undefined; from = queue.pop()) {
      for (let to = 0; to < n; to++) {
        if (!seen.has(to) && edge(from, to)) {
          seen.add(to);
          queue.push(to);
        }
      }
    }
    return seen.size === n;
  };
  return reaches((i, j) => beat[i * n + j]! > 0) && reaches((i, j) => beat[j * n + i]! > 0);
}
