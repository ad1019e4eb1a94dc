// The compact form of rating files: scores only, a few tens of kilobytes for all 10,240 released judgments.
//   { "format": "qlora-eval-ratings-1",
//     "relative": [{ "file", "first", "second", "inverted", "scores": "8 9,7.5 9,-,…" }],   one item per question 1, 2, …; - = failed parse
//     "pairwise": [{ "file", "first", "second", "inverted", "verdicts": "1132-…" }] }       one character per question
import { EvaluationError } from "../errors.js";
import type { PairwiseFile, RelativeFile } from "./read.js";

export const COMPACT_FORMAT = "qlora-eval-ratings-1";

/** The ratings in `text`, or undefined when it is JSON of another kind. @throws EvaluationError BAD_JSON, BAD_RATING */
export function parseCompact(
  text: string,
  path: string,
): { relative: RelativeFile[]; pairwise: PairwiseFile[] } | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new EvaluationError("BAD_JSON", `is not JSON (${(error as Error).message})`, { path });
  }
  const root = value as { format?: unknown; relative?: unknown; pairwise?: unknown } | null;
  if (root?.format !== COMPACT_FORMAT) return undefined;
  const entries = (list: unknown) => {
    if (!Array.isArray(list)) throw new EvaluationError("BAD_RATING", "relative and pairwise must be arrays", { path });
    return list.map((entry: Record<string, unknown>, i) => {
      const { file, first, second, inverted } = entry ?? {};
      if (typeof file !== "string" || typeof first !== "string" || typeof second !== "string") {
        throw new EvaluationError("BAD_RATING", `entry ${i}: file, first and second must be strings`, { path });
      }
      return { entry, common: { file, first, second, orderFrom: "answer ids" as const, inverted: inverted === true } };
    });
  };
  const bad = (file: string, item: string, question: number) =>
    new EvaluationError("BAD_RATING", `${file}: question ${question} has the score "${item}"`, { path });
  return {
    relative: entries(root.relative).map(({ entry, common }) => ({
      ...common,
      rows: String(entry.scores)
        .split(",")
        .map((item, i) => {
          if (item === "-") return { question: i + 1, score1: null, score2: null };
          const match = /^(\d+(?:\.\d+)?) (\d+(?:\.\d+)?)$/.exec(item);
          if (!match || Number(match[1]) > 10 || Number(match[2]) > 10) throw bad(common.file, item, i + 1);
          return { question: i + 1, score1: Number(match[1]), score2: Number(match[2]) };
        }),
    })),
    pairwise: entries(root.pairwise).map(({ entry, common }) => ({
      ...common,
      verdicts: [...String(entry.verdicts)].map((item, i) => {
        if (!/^[123-]$/.test(item)) throw bad(common.file, item, i + 1);
        return { question: i + 1, verdict: item === "-" ? null : (Number(item) as 1 | 2 | 3) };
      }),
    })),
  };
}
