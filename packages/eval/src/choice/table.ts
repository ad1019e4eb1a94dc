// A multiple-choice result as text for people.
import { formatTable, percent } from "../table.js";
import type { ChoiceResult } from "./evaluate.js";

/** Accuracy per subject, overall and macro-averaged, in percent with 95 % intervals. */
export function formatChoiceTable(result: ChoiceResult): string {
  const line = (name: string, p: { value: number; low: number; high: number }, right: string) => [
    name,
    percent(p.value),
    `${percent(p.low)} to ${percent(p.high)}`,
    right,
  ];
  const rows = result.subjects.map((s) => line(s.subject || "–", s, `${s.successes}/${s.total}`));
  rows.push(line("macro average", result.macro, ""));
  const { accuracy } = result;
  rows.push(line("all questions", accuracy, `${accuracy.successes}/${accuracy.total}`));
  const how =
    result.method === "letter"
      ? "letter logit"
      : `choice likelihood${result.normalise === "none" ? "" : ` per ${result.normalise!.slice(0, -1)}`}`;
  const loss = result.loss === null ? "" : ` Mean loss of the right letter ${result.loss.toFixed(4)}.`;
  const short = result.shortened === 0 ? "" : ` ${result.shortened} prompts lost worked examples to fit the context.`;
  const cut =
    result.truncated === 0 ? "" : ` ${result.truncated} prompts were cut at the beginning to fit the context.`;
  return `${formatTable(["subject", "accuracy %", "95 %", "right"], rows)}\n\n${result.shots}-shot, ${how}.${loss}${short}${cut}\n`;
}
