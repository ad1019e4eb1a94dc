// The relative report of a folder of 1–10 ratings, Table 6 of the paper: `qlora eval relative`. The result is plain JSON.
import { EvaluationError } from "../errors.js";
import { PAPER_REPEATED_ROWS, PAPER_SWAPPED_COLUMNS, PAPER_TABLE_6 } from "./paper.js";
import { type ReadRatingsOptions, readRatings } from "./read.js";
import { type RelativeOptions, type RelativeResult, type RelativeScore, relativeScores } from "./relative.js";

export interface RelativeReportRow extends RelativeScore {
  /** Table 6 as printed, null for systems it does not list. */
  paper: { referenceFirst: number; systemFirst: number; mean: number; interval: number } | null;
  /** Whether all four printed numbers agree to 0.1 (with the columns exchanged where `note` says so); null without `paper`. */
  reproduced: boolean | null;
  note: string | null;
  /** The paper prints the two order columns of this row in each other's place. */
  columnsSwapped: boolean;
}

export interface RelativeReport extends Omit<RelativeResult, "scores"> {
  systems: RelativeReportRow[];
}

/** Table 6 from a folder with relative ratings. @throws EvaluationError as `readRatings` and `relativeScores` */
export function relativeFromRatings(path: string, options: RelativeOptions & ReadRatingsOptions = {}): RelativeReport {
  const { relative } = readRatings(path, options);
  if (relative.length === 0) throw new EvaluationError("NO_RATINGS", "holds no relative ratings", { path });
  const { scores, ...result } = relativeScores(relative, options);
  const printed = new Map(PAPER_TABLE_6.map((p) => [p.system, p]));
  return { ...result, systems: scores.map((score) => withPaper(score, result.reference, printed)) };
}

function withPaper(
  score: RelativeScore,
  reference: string,
  printed: ReadonlyMap<string, (typeof PAPER_TABLE_6)[number]>,
): RelativeReportRow {
  const paper = reference === "ChatGPT" ? printed.get(score.system) : undefined;
  if (!paper) return { ...score, paper: null, reproduced: null, note: null, columnsSwapped: false };
  const { system, ...numbers } = paper;
  const swapped = PAPER_SWAPPED_COLUMNS.includes(system);
  const [left, right] = swapped ? [score.systemFirst, score.referenceFirst] : [score.referenceFirst, score.systemFirst];
  const agree = (ours: number | null, theirs: number) => ours !== null && Math.abs(ours - theirs) <= 0.05 + 1e-9;
  const reproduced =
    agree(left, paper.referenceFirst) &&
    agree(right, paper.systemFirst) &&
    agree(score.mean, paper.mean) &&
    agree(score.paperInterval, paper.interval);
  const note = swapped
    ? "the paper prints the two columns in each other's place"
    : PAPER_REPEATED_ROWS.includes(system)
      ? "the paper repeats the row of Vicuna 13B here; the released ratings give other numbers"
      : null;
  return { ...score, paper: numbers, reproduced, note, columnsSwapped: swapped };
}
