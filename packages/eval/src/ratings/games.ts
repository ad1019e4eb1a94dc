// Pairwise verdicts as flat arrays: what Elo, Bradley–Terry and the order-bias table compute on.
import { EvaluationError } from "../errors.js";
import type { PairwiseFile } from "./read.js";

/** `n` judged comparisons. `first` and `second` index `systems`; the judge saw `first`'s answer first. */
export interface Games {
  systems: string[];
  first: Uint16Array; // [n]
  second: Uint16Array; // [n]
  /** Score of `first`: 1 won, 0.5 tied, 0 lost. [n] */
  score: Float64Array;
  /** Question each comparison is about. [n] */
  question: Int32Array;
  /** Comparisons left out because no verdict could be read from the judge's reply. */
  unparseable: number;
}

/** One comparison, for building `Games` from own data. */
export interface Game {
  first: string;
  second: string;
  /** "first" or "second" won, or a tie. */
  winner: "first" | "second" | "tie";
  question?: number;
}

/** Packs comparisons. Systems are in the order of first appearance. */
export function games(list: Iterable<Game>, { unparseable = 0 } = {}): Games {
  const index = new Map<string, number>();
  const id = (system: string) => {
    const known = index.get(system);
    if (known !== undefined) return known;
    if (index.size === 65536) throw new RangeError("games: more than 65536 systems");
    index.set(system, index.size);
    return index.size - 1;
  };
  const first: number[] = [];
  const second: number[] = [];
  const score: number[] = [];
  const question: number[] = [];
  for (const game of list) {
    if (game.first === game.second) throw new RangeError(`games: "${game.first}" is compared with itself`);
    first.push(id(game.first));
    second.push(id(game.second));
    score.push(game.winner === "first" ? 1 : game.winner === "second" ? 0 : 0.5);
    question.push(game.question ?? 0);
  }
  return {
    systems: [...index.keys()],
    first: Uint16Array.from(first),
    second: Uint16Array.from(second),
    score: Float64Array.from(score),
    question: Int32Array.from(question),
    unparseable,
  };
}

const WINNER = { 1: "first", 2: "second", 3: "tie" } as const;

/** All parseable verdicts of the pairwise files. */
export function gamesOf(files: readonly PairwiseFile[]): Games {
  const list: Game[] = [];
  let unparseable = 0;
  for (const { first, second, verdicts } of files) {
    for (const { question, verdict } of verdicts) {
      if (verdict === null) unparseable++;
      else list.push({ first, second, winner: WINNER[verdict], question });
    }
  }
  if (list.length === 0) throw new EvaluationError("NO_RATINGS", "no pairwise verdicts to rank systems by");
  return games(list, { unparseable });
}
