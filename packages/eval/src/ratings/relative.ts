// Table 6 of the paper: the score of each system as a percentage of ChatGPT's, judged 1–10 in both orders.
//
// One order:  100 · Σ system / Σ reference over the questions the judge's reply could be read for.
// Mean:       the paper does not say how. Averaging each question over the orders it was judged in and then taking the ratio of
//             sums gives all twenty printed means to 0.1; the mean of the two columns does not (Alpaca 65B: 70.7 printed, 70.4).
// Interval:   not said either. The printed half-width is  R − (s̄ − 1.96 σ_s/√n)/(ḡ + 1.96 σ_g/√n)  of those per-question
//             averages (divisor n) in all twenty rows: the lower arm of the worst case of two separate intervals. Both
//             intervals are at their far ends at once and the pairing by question is ignored, so it is not a 95 % interval;
//             `low` and `high` are one (bootstrap over questions).
import { EvaluationError } from "../errors.js";
import { bootstrap } from "../statistics/bootstrap.js";
import type { RelativeFile } from "./read.js";

export interface RelativeOptions {
  /** The system that scores 100 %. Default: ChatGPT when it is there, else the one system all files share. */
  reference?: string;
  resamples?: number;
  seed?: number;
}

/** Percentages of the reference's score. */
export interface RelativeScore {
  system: string;
  /** The judge saw the reference first / the system first; null when that order was not judged. */
  referenceFirst: number | null;
  systemFirst: number | null;
  /** Both orders pooled by question. */
  mean: number;
  /** Plain mean of the two columns; null unless both orders are there. */
  meanOfOrders: number | null;
  /** The half-width printed as "95 % CI" in the paper (see the head of this file). */
  paperInterval: number;
  /** 95 % percentile bootstrap interval of `mean`, resampling questions. */
  low: number;
  high: number;
  /** Questions with at least one readable judgment. */
  questions: number;
  /** Replies without a readable score, per order. */
  failures: { referenceFirst: number; systemFirst: number };
}

export interface RelativeResult {
  reference: string;
  /** Best mean first. */
  scores: RelativeScore[];
  judgments: number;
  unparseable: number;
  /** Files whose name lists the two systems in the opposite order of the scores. */
  invertedFiles: number;
  files: number;
}

interface Orders {
  referenceFirst: Map<number, [system: number, reference: number] | null>;
  systemFirst: Map<number, [system: number, reference: number] | null>;
}

/** Relative scores of every system in `files`. @throws EvaluationError NO_RATINGS, BAD_RATING, BAD_NAMES */
export function relativeScores(files: readonly RelativeFile[], options: RelativeOptions = {}): RelativeResult {
  if (files.length === 0)
    throw new EvaluationError("NO_RATINGS", "no relative ratings (1 to 10) to compare systems by");
  const reference = options.reference ?? commonSystem(files);
  const systems = new Map<string, Orders>();
  let judgments = 0;
  let unparseable = 0;
  for (const file of files) {
    if (file.first !== reference && file.second !== reference) {
      throw new EvaluationError("BAD_NAMES", `compares ${file.first} with ${file.second}, not with ${reference}`, {
        path: file.file,
      });
    }
    const referenceFirst = file.first === reference;
    const system = referenceFirst ? file.second : file.first;
    if (!systems.has(system)) systems.set(system, { referenceFirst: new Map(), systemFirst: new Map() });
    const order = systems.get(system)![referenceFirst ? "referenceFirst" : "systemFirst"];
    for (const { question, score1, score2 } of file.rows) {
      if (order.has(question)) {
        throw new EvaluationError("BAD_RATING", `question ${question} is judged twice in this order`, {
          path: file.file,
        });
      }
      judgments++;
      if (score1 === null || score2 === null) unparseable++;
      const pair = score1 === null || score2 === null ? null : ([score1, score2] as [number, number]);
      order.set(question, pair && referenceFirst ? [pair[1], pair[0]] : pair);
    }
  }
  const scores = [...systems].map(([system, orders]) => scoreOf(system, orders, options));
  scores.sort((a, b) => b.mean - a.mean);
  const invertedFiles = files.filter((file) => file.inverted).length;
  return { reference, scores, judgments, unparseable, invertedFiles, files: files.length };
}

function scoreOf(system: string, orders: Orders, { resamples = 2000, seed = 0 }: RelativeOptions): RelativeScore {
  const valid = (order: Orders["systemFirst"]) => [...order.values()].filter((pair) => pair !== null);
  const percent = (pairs: readonly (readonly [number, number])[]) => {
    const s = pairs.reduce((sum, p) => sum + p[0], 0);
    const g = pairs.reduce((sum, p) => sum + p[1], 0);
    return (100 * s) / g;
  };
  const a = valid(orders.referenceFirst);
  const b = valid(orders.systemFirst);
  const pooled: [number, number][] = [];
  for (const question of new Set([...orders.referenceFirst.keys(), ...orders.systemFirst.keys()])) {
    const pairs = [orders.referenceFirst.get(question), orders.systemFirst.get(question)].filter((p) => p != null);
    const average = (k: 0 | 1) => pairs.reduce((sum, p) => sum + p[k], 0) / pairs.length;
    if (pairs.length > 0) pooled.push([average(0), average(1)]);
  }
  if (pooled.length === 0 || !pooled.some((p) => p[1] > 0)) {
    throw new EvaluationError("BAD_RATING", `${system} has no readable score to compare`);
  }
  const interval = bootstrap(
    pooled.length,
    (draw) => {
      let s = 0;
      let g = 0;
      for (const i of draw) {
        s += pooled[i]![0];
        g += pooled[i]![1];
      }
      return (100 * s) / g;
    },
    { resamples, seed },
  );
  const referenceFirst = a.length > 0 ? percent(a) : null;
  const systemFirst = b.length > 0 ? percent(b) : null;
  return {
    system,
    referenceFirst,
    systemFirst,
    mean: percent(pooled),
    meanOfOrders: referenceFirst === null || systemFirst === null ? null : (referenceFirst + systemFirst) / 2,
    paperInterval: paperInterval(pooled),
    low: interval.low,
    high: interval.high,
    questions: pooled.length,
    failures: {
      referenceFirst: orders.referenceFirst.size - a.length,
      systemFirst: orders.systemFirst.size - b.length,
    },
  };
}

function paperInterval(pooled: readonly (readonly [number, number])[]): number {
  const n = pooled.length;
  const side = (k: 0 | 1) => {
    const m = pooled.reduce((sum, p) => sum + p[k], 0) / n;
    const variance = pooled.reduce((sum, p) => sum + (p[k] - m) ** 2, 0) / n;
    return { m, half: 1.96 * Math.sqrt(variance / n) };
  };
  const s = side(0);
  const g = side(1);
  return 100 * (s.m / g.m - (s.m - s.half) / (g.m + g.half));
}

function commonSystem(files: readonly RelativeFile[]): string {
  const common = [files[0]!.first, files[0]!.second].filter((s) => files.every((f) => f.first === s || f.second === s));
  if (common.includes("ChatGPT")) return "ChatGPT";
  if (common.length === 1) return common[0]!;
  throw new EvaluationError("BAD_NAMES", "which system is the reference cannot be told from the files; name it");
}
