// Examples for the eye: what the model sees, and which of it is learnt (`qlora inspect --data`).
import { styleText } from "node:util";
import type { EncodeReport } from "./encode.js";
import { escapeControls } from "./errors.js";
import { IGNORE } from "./segments.js";
import type { Tokenizer } from "./tokenizer.js";

export interface RenderOptions {
  /** Terminal styles (masked dim, learnt bold) instead of ⟦ ⟧ around what is masked. Default: whether stdout is a terminal. */
  color?: boolean;
  /** Put │ between tokens. Default false. */
  boundaries?: boolean;
}

/** Colour by default on a terminal, unless NO_COLOR is set. */
function defaultColor(): boolean {
  return process.stdout.isTTY === true && !process.env.NO_COLOR;
}

/**
 * A sequence as text, masked tokens visibly marked: dim on a terminal, between ⟦ and ⟧ elsewhere. A line end is shown as
 * ⏎ and breaks the line; every other control character is escaped (\x1b), so data cannot drive the terminal.
 */
export function renderSequence(
  { ids, labels }: { ids: Int32Array; labels: Int32Array },
  tokenizer: Tokenizer,
  { color = defaultColor(), boundaries = false }: RenderOptions = {},
): string {
  const runs: { masked: boolean; text: string }[] = [];
  const stream = tokenizer.decodeStream({ skipSpecial: false });
  const add = (text: string, masked: boolean): void => {
    if (text === "") return;
    const last = runs.at(-1);
    if (last?.masked === masked) last.text += boundaries ? `│${text}` : text;
    else runs.push({ masked, text });
  };
  ids.forEach((id, i) => {
    add(stream.push(id), labels[i] === IGNORE);
  });
  add(stream.end(), labels.at(-1) === IGNORE);
  return runs.map(({ masked, text }) => mark(visible(text), masked, color)).join("");
}

function visible(text: string): string {
  return escapeControls(text, { keep: "\n" }).replaceAll("\n", "⏎\n");
}

// Styles are closed at each line end, so that a pager or a cut-off line does not leave one open.
function mark(text: string, masked: boolean, color: boolean): string {
  if (!color) return masked ? `⟦${text}⟧` : text;
  const style = masked ? "dim" : "bold";
  return text
    .split("\n")
    .map((line) => (line === "" ? "" : styleText(style, line, { validateStream: false })))
    .join("\n");
}

/** What was kept and what was left out, in one or two lines. */
export function renderReport(report: EncodeReport): string {
  const share = report.tokens === 0 ? 0 : (100 * report.targetTokens) / report.tokens;
  const lines = [
    `template ${report.template}: ${report.kept} of ${report.total} examples kept` +
      (report.truncated > 0 ? ` (${report.truncated} truncated)` : "") +
      (report.sequences !== report.kept ? `, as ${report.sequences} sequences` : "") +
      `; ${report.tokens} tokens, ${report.targetTokens} learnt (${share.toFixed(1)} %)`,
  ];
  if (report.kept < report.total) {
    const at = report.dropped.map((x) => x.line).filter((x) => x !== undefined);
    const where = at.length === 0 ? "" : ` (lines ${at.slice(0, 8).join(", ")}${at.length > 8 ? ", …" : ""})`;
    lines.push(`left out: ${report.tooLong} too long, ${report.labelFree} with nothing to learn${where}`);
  }
  return lines.join("\n");
}
