// The Elo report of a folder of pairwise ratings: `qlora eval elo`. The result is plain JSON.
import { bradleyTerry, bradleyTerryIntervals } from "../bradley-terry.js";
import { type EloCurve, type EloOptions, elo, eloCurve } from "../elo.js";
import { EvaluationError } from "../errors.js";
import { kendallTau, spearman } from "../statistics/agreement.js";
import { type Games, gamesOf } from "./games.js";
import { type OrderBias, orderBias } from "./order-bias.js";
import { PAPER_ELO, PAPER_ELO_SAMPLE } from "./paper.js";
import { type ReadRatingsOptions, readRatings } from "./read.js";
import { type SamplingStudy, sampleSizes, samplingStudy } from "./sampling.js";

export interface EloReportRow {
  system: string;
  /** Mean Elo over the orderings, `sample` games each, with the noise of that mean. */
  elo: number;
  monteCarlo95: number;
  /** Mean Elo when every game is replayed in every ordering. */
  eloAllGames: number;
  /** Bradley–Terry rating, and its 95 % interval over resampled questions (null when there is only one question). */
  bradleyTerry: number;
  low: number | null;
  high: number | null;
  games: number;
  /** Share of points taken. */
  points: number;
  /** Table 1 and Table 7 of the paper, null for other systems. */
  paper: { table1: number; table7: number } | null;
  /** `elo` minus Table 1. */
  difference: number | null;
}

export interface EloReport {
  /** Best first. */
  systems: EloReportRow[];
  games: number;
  ties: number;
  unparseable: number;
  files: number;
  orderings: number;
  sample: number;
  seed: number;
  /** Advantage of being shown first in a Bradley–Terry model with an order effect, Elo points. */
  firstAdvantage: number;
  orderBias: OrderBias;
  /** Points row takes off column, `matrix[row][column]`, over games played; null where they never met. In `systems` order. */
  matrix: (number | null)[][];
  sampling: SamplingStudy | null;
  /** Mean Elo by games played per ordering. */
  curve: EloCurve;
  /** Rank agreement of `elo` with the human Elo printed in Table 7, over all systems and without GPT-4. */
  human: { tau: number; rho: number; tauWithoutGpt4: number; rhoWithoutGpt4: number } | null;
}

export interface EloReportOptions extends Omit<EloOptions, "resample"> {
  /** Bootstrap resamples of the Bradley–Terry interval. */
  resamples?: number;
}

/** Elo and its companions from a folder with pairwise ratings. @throws EvaluationError as `readRatings`, NO_RATINGS */
export function eloFromRatings(path: string, options: EloReportOptions & ReadRatingsOptions = {}): EloReport {
  const { pairwise } = readRatings(path, options);
  if (pairwise.length === 0) throw new EvaluationError("NO_RATINGS", "holds no pairwise ratings", { path });
  return { ...eloReport(gamesOf(pairwise), options), files: pairwise.length };
}

/** The same from games already in memory. */
export function eloReport(games: Games, options: EloReportOptions = {}): EloReport {
  const { sample = PAPER_ELO_SAMPLE, orderings = 10_000, seed = 0, resamples = 1000, ...rest } = options;
  const settings = { ...rest, orderings, seed };
  const sampled = elo(games, { ...settings, sample });
  const curve = eloCurve(games, sampleSizes(games.first.length), settings);
  const strength = new Map(bradleyTerry(games).ratings.map((r) => [r.system, r.rating]));
  const intervals = bradleyTerryIntervals(games, { resamples, seed });
  const paper = new Map(PAPER_ELO.map((p) => [p.system, p]));
  const systems = sampled.ratings.map((r): EloReportRow => {
    const printed = paper.get(r.system);
    const interval = intervals.get(r.system);
    return {
      system: r.system,
      elo: r.elo,
      monteCarlo95: r.monteCarlo95,
      eloAllGames: curve.elo[curve.systems.indexOf(r.system)]!.at(-1)!,
      bradleyTerry: strength.get(r.system)!,
      low: interval?.low ?? null,
      high: interval?.high ?? null,
      games: r.games,
      points: r.points,
      paper: printed ? { table1: printed.table1, table7: printed.table7 } : null,
      difference: printed ? r.elo - printed.table1 : null,
    };
  });
  const order = systems.map((row) => games.systems.indexOf(row.system));
  return {
    systems,
    games: sampled.games,
    ties: sampled.ties,
    unparseable: sampled.unparseable,
    files: 0,
    orderings,
    sample: sampled.sample,
    seed,
    firstAdvantage: bradleyTerry(games, { orderEffect: true }).firstAdvantage,
    orderBias: orderBias(games),
    matrix: pointsMatrix(games, order),
    sampling: samplingStudy(curve, new Map(PAPER_ELO.map((p) => [p.system, p.table1]))) ?? null,
    curve,
    human: humanAgreement(systems),
  };
}

function pointsMatrix(games: Games, order: readonly number[]): (number | null)[][] {
  const n = games.systems.length;
  const points = new Float64Array(n * n);
  const met = new Float64Array(n * n);
  for (let g = 0; g < games.first.length; g++) {
    const [a, b, s] = [games.first[g]!, games.second[g]!, games.score[g]!];
    points[a * n + b]! += s;
    points[b * n + a]! += 1 - s;
    met[a * n + b]! += 1;
    met[b * n + a]! += 1;
  }
  return order.map((a) => order.map((b) => (met[a * n + b]! > 0 ? points[a * n + b]! / met[a * n + b]! : null)));
}

function humanAgreement(systems: readonly EloReportRow[]): EloReport["human"] {
  const human = new Map(PAPER_ELO.map((p) => [p.system, p.human]));
  const rows = systems.filter((row) => human.has(row.system));
  if (rows.length !== PAPER_ELO.length) return null;
  const compare = (list: readonly EloReportRow[]) => {
    const ours = list.map((row) => row.elo);
    const theirs = list.map((row) => human.get(row.system)!);
    return { tau: kendallTau(ours, theirs), rho: spearman(ours, theirs) };
  };
  const all = compare(rows);
  const without = compare(rows.filter((row) => row.system !== "GPT-4"));
  return { ...all, tauWithoutGpt4: without.tau, rhoWithoutGpt4: without.rho };
}
