// An experiment: claims of the paper that belong together, how they are measured, and what came out.
import type { Results } from "./results.js";
import type { Training } from "./training.js";

export type Verdict = "reproduces" | "does not reproduce" | "not measurable here";

export interface Claim {
  claim: string;
  /** As printed in the paper, with its place. */
  paper: string;
  ours: string;
  /** How ours was measured. */
  how: string;
  verdict: Verdict;
  /** What was seen, where that is not the whole of "reproduces". */
  note?: string;
  /** The verdict of this repository so far; another one fails the run. Default "reproduces". */
  expected?: Verdict;
}

/** What stands behind the claims: a table, a plot, or sections that another package renders. */
export interface Detail {
  heading: string;
  text?: string;
  table?: { head: readonly string[]; rows: readonly (readonly string[])[] };
  /** SVG for the page; what it shows is also in a table. */
  plot?: string;
  /** Finished HTML in place of the above, on the page only. */
  html?: string;
}

export interface Outcome {
  claims: Claim[];
  details: Detail[];
}

export interface Context {
  /** The short form. */
  quick: boolean;
  results: Results;
  training: Training;
  /** A line for people. */
  say(line: string): void;
}

export interface Experiment {
  /** For `--only`. */
  name: string;
  title: string;
  run(context: Context): Promise<Outcome>;
}

/** "reproduces" where `holds`. */
export function verdictOf(holds: boolean): Verdict {
  return holds ? "reproduces" : "does not reproduce";
}

/** Claims whose verdict is another than expected. Where data is absent nothing was measured, so nothing has changed. */
export function changedVerdicts(claims: readonly Claim[]): Claim[] {
  return claims.filter(
    ({ verdict, expected = "reproduces" }) => verdict !== "not measurable here" && verdict !== expected,
  );
}
