// Rating files: the released GPT-4 judgments, the compact fixture made of them, and the files this package's judge writes.
import { basename } from "node:path";
import { EvaluationError } from "../errors.js";
import { filesOf } from "../files.js";
import { parseScores, parseVerdict } from "../judge/verdict.js";
import { type Line, readRecords, readTextFile } from "../records.js";
import { parseCompact } from "./compact.js";
import { isGenerationFile, parseRatingFileName } from "./names.js";
import { orderOfScores, type ShownPair } from "./owners.js";

/** Scores from 1 to 10 of one system against a reference, one order. A failed parse has both scores null. */
export interface RelativeFile {
  file: string;
  /** The systems in the order in which the judge saw them. */
  first: string;
  second: string;
  rows: { question: number; score1: number | null; score2: number | null }[];
  /** Where the order of the systems was read from. */
  orderFrom: "record" | "answer ids" | "naming rule";
  /** The file name lists the systems in the opposite order. */
  inverted: boolean;
}

/** Three-class verdicts on one pair, one order: 1 = first better, 2 = second better, 3 = tie, null = failed parse. */
export interface PairwiseFile {
  file: string;
  first: string;
  second: string;
  verdicts: { question: number; verdict: 1 | 2 | 3 | null }[];
  orderFrom: "record" | "answer ids" | "naming rule";
  inverted: boolean;
}

export interface ReadRatingsOptions {
  /** Read again the replies that are recorded as unreadable. Off by default: the paper left them out. */
  recover?: boolean;
}

export interface Ratings {
  relative: RelativeFile[];
  pairwise: PairwiseFile[];
  /** Files in the folder that hold no ratings. */
  ignored: string[];
}

/**
 * All ratings under a folder (three levels deep), or of one file. The kind of a file is read off its scores, so the folder of
 * the release, its `pairwise` subfolder alone, a judge's output and the compact JSON of this package all work.
 * @throws EvaluationError NOT_FOUND, BAD_JSON, BAD_RATING, BAD_NAMES (answer ids contradict the file names), NO_RATINGS
 */
export function readRatings(path: string, { recover = false }: ReadRatingsOptions = {}): Ratings {
  const paths = filesOf(path, /\.jsonl?$/, 3);
  const ratings: Ratings = { relative: [], pairwise: [], ignored: [] };
  const named: Released[] = [];
  for (const file of paths) {
    if (file.endsWith(".json")) {
      const compact = parseCompact(readTextFile(file), file);
      if (compact) {
        ratings.relative.push(...compact.relative);
        ratings.pairwise.push(...compact.pairwise);
      } else ratings.ignored.push(file);
      continue;
    }
    const records = readRecords(file);
    const score = records[0]?.value.score;
    if (records.length === 0 || score === undefined) ratings.ignored.push(file);
    else if (typeof records[0]!.value.system1 === "string") addJudged(ratings, file, records, recover);
    else named.push(released(file, records));
  }
  for (const relative of [true, false]) {
    const files = named.filter((f) => f.relative === relative);
    addReleased(ratings, files, recover);
  }
  if (ratings.relative.length + ratings.pairwise.length === 0) {
    throw new EvaluationError("NO_RATINGS", "holds no rating files (JSON Lines with `score`)", { path });
  }
  return ratings;
}

interface Released {
  file: string;
  left: string;
  right: string;
  generated: boolean;
  relative: boolean;
  records: Line[];
  rows: ShownPair[];
}

function released(file: string, records: Line[]): Released {
  const name = basename(file);
  const pair = parseRatingFileName(name);
  if (!pair)
    throw new EvaluationError("BAD_NAMES", "the name does not read <system>-vs-<system>…reviewer.jsonl", {
      path: file,
    });
  const rows = records.map(({ value, line }) => ({
    question: questionId(value, file, line),
    answer1: typeof value.answer1_id === "string" ? value.answer1_id : undefined,
    answer2: typeof value.answer2_id === "string" ? value.answer2_id : undefined,
  }));
  const relative = Array.isArray(records[0]!.value.score);
  return { file, ...pair, generated: isGenerationFile(name), relative, records, rows };
}

/** Settles the order of the two systems of each released file, then its scores. */
function addReleased(ratings: Ratings, files: Released[], recover: boolean): void {
  const orders = orderOfScores(files);
  files.forEach(({ file, left, right, generated, relative, records }, f) => {
    const order = orders[f]!;
    if (order === "contradictory") {
      throw new EvaluationError("BAD_NAMES", `its answer ids belong now to ${left}, now to ${right}`, { path: file });
    }
    // Without ids the rule seen in the release decides: only relative ratings of generation files are inverted.
    const inverted = order === "unknown" ? relative && generated : order === "inverted";
    const orderFrom = order === "unknown" ? ("naming rule" as const) : ("answer ids" as const);
    const [first, second] = inverted ? [right, left] : [left, right];
    const common = { file, first, second, orderFrom, inverted };
    if (relative) ratings.relative.push({ ...common, rows: records.map((r) => scoresOf(r, file, recover)) });
    else ratings.pairwise.push({ ...common, verdicts: records.map((r) => verdictOf(r, file, recover)) });
  });
}

/** Files written by this package's judge name the systems in every record, in the order shown. */
function addJudged(ratings: Ratings, file: string, records: Line[], recover: boolean): void {
  const relative = new Map<string, RelativeFile>();
  const pairwise = new Map<string, PairwiseFile>();
  for (const record of records) {
    const { system1: first, system2: second, score, mode } = record.value;
    if (typeof first !== "string" || typeof second !== "string") {
      throw new EvaluationError("BAD_RATING", "system1 and system2 must be strings", { path: file, line: record.line });
    }
    const key = JSON.stringify([first, second]);
    const common = { file, first, second, orderFrom: "record" as const, inverted: false };
    if (Array.isArray(score) || mode === "relative") {
      if (!relative.has(key)) relative.set(key, { ...common, rows: [] });
      relative.get(key)!.rows.push(scoresOf(record, file, recover));
    } else {
      if (!pairwise.has(key)) pairwise.set(key, { ...common, verdicts: [] });
      pairwise.get(key)!.verdicts.push(verdictOf(record, file, recover));
    }
  }
  ratings.relative.push(...relative.values());
  ratings.pairwise.push(...pairwise.values());
}

function questionId(value: Record<string, unknown>, path: string, line: number): number {
  const id = value.question_id;
  if (!Number.isInteger(id)) throw new EvaluationError("BAD_RATING", "question_id must be an integer", { path, line });
  return id as number;
}

/** [-1, -1] and null are failed parses. A 0 is a score: the judge gave it to empty answers. */
function scoresOf({ value, line }: Line, path: string, recover: boolean): RelativeFile["rows"][number] {
  const question = questionId(value, path, line);
  const { score, text } = value;
  const [a, b] = score === null ? [-1, -1] : Array.isArray(score) && score.length === 2 ? (score as unknown[]) : [];
  const valid = (x: unknown): x is number => typeof x === "number" && (x === -1 || (x >= 0 && x <= 10));
  if (!valid(a) || !valid(b)) {
    throw new EvaluationError("BAD_RATING", `score must be two numbers from 0 to 10, got ${JSON.stringify(score)}`, {
      path,
      line,
    });
  }
  if (a >= 0 && b >= 0) return { question, score1: a, score2: b };
  const read = recover && typeof text === "string" ? parseScores(text) : null;
  return { question, score1: read?.[0] ?? null, score2: read?.[1] ?? null };
}

function verdictOf({ value, line }: Line, path: string, recover: boolean): PairwiseFile["verdicts"][number] {
  const question = questionId(value, path, line);
  const { score, text } = value;
  if (score === 1 || score === 2 || score === 3) return { question, verdict: score };
  if (score !== null && score !== -1) {
    throw new EvaluationError("BAD_RATING", `score must be 1, 2 or 3, got ${JSON.stringify(score)}`, { path, line });
  }
  return { question, verdict: recover && typeof text === "string" ? parseVerdict(text) : null };
}
