// Elo over random orderings (QLoRA §6.1): every system starts at 1000, K = 32, a tie scores 0.5, and the rating is the mean
// over many random orders of the games, because one pass of Elo depends on the order.
//   E = 1 / (1 + 10^((R₂ − R₁)/400)),  R₁ += K (S − E),  R₂ −= K (S − E)
import { createRandom, type Random, shuffle } from "./random.js";
import type { Games } from "./ratings/games.js";
import { quantile } from "./statistics/describe.js";

export interface EloOptions {
  /** Random orderings to average over. */
  orderings?: number;
  /** Games played per ordering, drawn without replacement; all games when left out or larger than there are. */
  sample?: number;
  /** `"questions"`: before each ordering, draw the questions anew with replacement (cluster bootstrap), so that the interval
   *  also holds the uncertainty of the question set. `"none"` replays the same games in other orders. */
  resample?: "none" | "questions";
  k?: number;
  start?: number;
  seed?: number;
}

export interface EloRating {
  system: string;
  /** Mean over the orderings. */
  elo: number;
  /** Standard deviation over the orderings. */
  sd: number;
  /** 95 % half-width of the *mean*, 1.96 sd/√orderings: the noise of the simulation, nothing else. This is the "±1" of the paper. */
  monteCarlo95: number;
  /** 2.5 % and 97.5 % quantile over the orderings. */
  low: number;
  high: number;
  /** Games of this system among all games, and the share of points it took. */
  games: number;
  points: number;
}

export interface EloResult {
  /** Best first. */
  ratings: EloRating[];
  games: number;
  ties: number;
  unparseable: number;
  /** Games played per ordering. */
  sample: number;
  orderings: number;
  resample: "none" | "questions";
  k: number;
  start: number;
  seed: number;
}

/** Elo ratings of every system in `games`. */
export function elo(games: Games, options: EloOptions = {}): EloResult {
  const { orderings = 10_000, resample = "none", k = 32, start = 1000, seed = 0 } = options;
  const total = games.first.length;
  const sample = Math.min(options.sample ?? total, total);
  checkPositive("orderings", orderings);
  checkPositive("sample", sample);
  const systems = games.systems.length;
  const finals = new Float64Array(systems * orderings); // [systems, orderings]
  simulate(games, { orderings, sample, resample, k, start, seed }, (ratings, ordering) => {
    for (let s = 0; s < systems; s++) finals[s * orderings + ordering] = ratings[s]!;
  });
  const counts = new Float64Array(systems);
  const points = new Float64Array(systems);
  let ties = 0;
  for (let g = 0; g < total; g++) {
    const score = games.score[g]!;
    counts[games.first[g]!]! += 1;
    counts[games.second[g]!]! += 1;
    points[games.first[g]!]! += score;
    points[games.second[g]!]! += 1 - score;
    if (score === 0.5) ties++;
  }
  const ratings = games.systems.map((system, s): EloRating => {
    const values = finals.subarray(s * orderings, (s + 1) * orderings).sort();
    let sum = 0;
    for (const v of values) sum += v;
    const mean = sum / orderings;
    let squares = 0;
    for (const v of values) squares += (v - mean) ** 2;
    const sd = orderings > 1 ? Math.sqrt(squares / (orderings - 1)) : 0;
    return {
      system,
      elo: mean,
      sd,
      monteCarlo95: (1.96 * sd) / Math.sqrt(orderings),
      low: quantile(values, 0.025),
      high: quantile(values, 0.975),
      games: counts[s]!,
      points: points[s]! / counts[s]!,
    };
  });
  ratings.sort((a, b) => b.elo - a.elo);
  const { unparseable } = games;
  return { ratings, games: total, ties, unparseable, sample, orderings, resample, k, start, seed };
}

export interface EloCurve {
  systems: string[];
  /** Games played per ordering. */
  samples: number[];
  /** Mean rating of each system after `samples[i]` games: `elo[system][i]`. */
  elo: number[][];
  orderings: number;
  seed: number;
}

/**
 * Mean Elo as a function of the games played per ordering. A random ordering cut after m games is a random sample of m
 * games, so one simulation gives the whole curve.
 */
export function eloCurve(
  games: Games,
  samples: readonly number[],
  options: Omit<EloOptions, "sample" | "resample"> = {},
): EloCurve {
  const { orderings = 10_000, k = 32, start = 1000, seed = 0 } = options;
  checkPositive("orderings", orderings);
  const total = games.first.length;
  const stops = [...new Set(samples)].sort((a, b) => a - b);
  if (stops.length === 0) throw new RangeError("eloCurve: samples is empty");
  for (const m of stops) {
    if (!Number.isInteger(m) || m < 1 || m > total) throw new RangeError(`eloCurve: ${m} games asked of ${total}`);
  }
  const systems = games.systems.length;
  const sums = new Float64Array(stops.length * systems); // [stops, systems]
  let stop = 0;
  const settings = { orderings, sample: stops.at(-1)!, resample: "none" as const, k, start, seed };
  simulate(games, settings, () => {}, {
    stops: Int32Array.from(stops),
    reached: (ratings) => {
      for (let s = 0; s < systems; s++) sums[stop * systems + s]! += ratings[s]!;
      stop = (stop + 1) % stops.length;
    },
  });
  const curve = games.systems.map((_, s) => stops.map((_, i) => sums[i * systems + s]! / orderings));
  return { systems: [...games.systems], samples: stops, elo: curve, orderings, seed };
}

interface Settings {
  orderings: number;
  sample: number;
  resample: "none" | "questions";
  k: number;
  start: number;
  seed: number;
}

/** Plays `orderings` random orders; `finished` and `reached` see the live ratings and must not keep the array. */
function simulate(
  games: Games,
  { orderings, sample, resample, k, start, seed }: Settings,
  finished: (ratings: Float64Array, ordering: number) => void,
  checkpoints?: { stops: Int32Array; reached: (ratings: Float64Array) => void },
): void {
  const { first, second, score } = games;
  const random = createRandom(seed);
  const ratings = new Float64Array(games.systems.length);
  const scale = Math.LN10 / 400;
  let order = Int32Array.from(first, (_, g) => g);
  const clusters = resample === "questions" ? gamesByQuestion(games) : undefined;
  const stops = checkpoints?.stops ?? new Int32Array([sample]);
  for (let ordering = 0; ordering < orderings; ordering++) {
    if (clusters) order = drawClusters(clusters, random);
    const played = Math.min(sample, order.length);
    shuffle(order, random, played);
    ratings.fill(start);
    let i = 0;
    for (let c = 0; c < stops.length; c++) {
      for (const end = Math.min(stops[c]!, played); i < end; i++) {
        const g = order[i]!;
        const a = first[g]!;
        const b = second[g]!;
        const ra = ratings[a]!;
        const rb = ratings[b]!;
        const change = k * (score[g]! - 1 / (1 + Math.exp((rb - ra) * scale)));
        ratings[a] = ra + change;
        ratings[b] = rb - change;
      }
      checkpoints?.reached(ratings);
    }
    finished(ratings, ordering);
  }
}

function gamesByQuestion(games: Games): Int32Array[] {
  const byQuestion = new Map<number, number[]>();
  games.question.forEach((question, g) => {
    const list = byQuestion.get(question);
    if (list) list.push(g);
    else byQuestion.set(question, [g]);
  });
  return [...byQuestion.values()].map((list) => Int32Array.from(list));
}

function drawClusters(clusters: readonly Int32Array[], random: Random): Int32Array<ArrayBuffer> {
  const drawn = clusters.map(() => clusters[random.below(clusters.length)]!);
  const order = new Int32Array(drawn.reduce((n, cluster) => n + cluster.length, 0));
  let at = 0;
  for (const cluster of drawn) {
    order.set(cluster, at);
    at += cluster.length;
  }
  return order;
}

function checkPositive(name: string, value: number): void {
  if (!Number.isInteger(value) || value < 1) throw new RangeError(`${name} must be a positive integer, got ${value}`);
}
