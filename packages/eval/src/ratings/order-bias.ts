// Order bias of a pairwise judge: how often the answer shown first wins, and whether the verdict survives swapping the order.
import { fleissKappa } from "../statistics/agreement.js";
import { type Proportion, wilson } from "../statistics/intervals.js";
import type { Games } from "./games.js";

export interface OrderBias {
  /** Shares of all readable verdicts, with Wilson intervals. */
  firstWins: Proportion;
  secondWins: Proportion;
  ties: Proportion;
  unparseable: number;
  /** Pairs of verdicts on the same question and systems, once in each order. */
  swapped: {
    pairs: number;
    /** The same system won both times, or a tie both times. */
    consistent: Proportion;
    /** The answer shown first won both times; likewise second: the order decided. */
    firstBoth: number;
    secondBoth: number;
    /** Fleiss' κ of the two orders taken as two raters choosing among system A, system B, tie. */
    kappa: number;
  } | null;
  /** Points (win 1, tie ½) a system takes when shown first and when shown second (null: never), best first. */
  systems: { system: string; first: number | null; second: number | null; advantage: number | null }[];
}

/** The order-bias table of `games`. */
export function orderBias(games: Games): OrderBias {
  const n = games.first.length;
  const count = { 1: 0, 0: 0, 0.5: 0 } as Record<number, number>;
  const points = games.systems.map(() => ({ first: 0, firstGames: 0, second: 0, secondGames: 0 }));
  const meetings = new Map<string, { low: number[]; high: number[] }>(); // scores of the lower-numbered system
  for (let g = 0; g < n; g++) {
    const [a, b, s] = [games.first[g]!, games.second[g]!, games.score[g]!];
    count[s]! += 1;
    points[a]!.first += s;
    points[a]!.firstGames++;
    points[b]!.second += 1 - s;
    points[b]!.secondGames++;
    const key = `${Math.min(a, b)} ${Math.max(a, b)} ${games.question[g]}`;
    if (!meetings.has(key)) meetings.set(key, { low: [], high: [] });
    if (a < b) meetings.get(key)!.low.push(s);
    else meetings.get(key)!.high.push(1 - s);
  }
  const systems = games.systems.map((system, i) => {
    const p = points[i]!;
    const first = p.firstGames > 0 ? p.first / p.firstGames : null;
    const second = p.secondGames > 0 ? p.second / p.secondGames : null;
    return { system, first, second, advantage: first === null || second === null ? null : first - second };
  });
  const total = (s: (typeof systems)[number]) => (s.first ?? 0) + (s.second ?? 0);
  systems.sort((x, y) => total(y) - total(x));
  return {
    firstWins: wilson(count[1]!, n),
    secondWins: wilson(count[0]!, n),
    ties: wilson(count[0.5]!, n),
    unparseable: games.unparseable,
    swapped: swapConsistency(meetings.values()),
    systems,
  };
}

function swapConsistency(meetings: Iterable<{ low: number[]; high: number[] }>): OrderBias["swapped"] {
  const table: number[][] = [];
  let consistent = 0;
  let firstBoth = 0;
  let secondBoth = 0;
  for (const { low, high } of meetings) {
    if (low.length !== 1 || high.length !== 1) continue;
    // Score of the lower-numbered system when it was shown first, and when shown second.
    const [asFirst, asSecond] = [low[0]!, high[0]!];
    if (asFirst === asSecond) consistent++;
    else if (asFirst === 1 && asSecond === 0) firstBoth++;
    else if (asFirst === 0 && asSecond === 1) secondBoth++;
    const row = [0, 0, 0];
    for (const s of [asFirst, asSecond]) row[s * 2]! += 1;
    table.push(row);
  }
  if (table.length === 0) return null;
  const kappa = fleissKappa(table);
  return { pairs: table.length, consistent: wilson(consistent, table.length), firstBoth, secondBoth, kappa };
}
