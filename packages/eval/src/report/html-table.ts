// Tables and keys of the report.
import { escapeText } from "./svg.js";

/** A cell: text, or text with a class. */
export type Cell = string | { text: string; cls: string };

/** A table; columns named in `numeric` are right-aligned. */
export function htmlTable(
  head: readonly string[],
  rows: readonly (readonly Cell[])[],
  numeric: readonly number[],
): string {
  const cell = (tag: "th" | "td", value: Cell, c: number) => {
    const { text, cls } = typeof value === "string" ? { text: value, cls: "" } : value;
    const classes = [numeric.includes(c) ? "n" : "", cls].filter((x) => x !== "").join(" ");
    return `<${tag}${classes === "" ? "" : ` class="${classes}"`}>${escapeText(text)}</${tag}>`;
  };
  const row = (tag: "th" | "td", cells: readonly Cell[]) => `<tr>${cells.map((v, c) => cell(tag, v, c)).join("")}</tr>`;
  return `<div class="scroll"><table>\n<thead>${row("th", head)}</thead>\n<tbody>\n${rows.map((r) => row("td", r)).join("\n")}\n</tbody></table></div>`;
}

const MARKS = {
  dot: '<circle cx="8" cy="7" r="4" class="dot"/>',
  interval: '<line x1="4" y1="7" x2="16" y2="7" class="interval"/>',
  span: '<path d="M2 7H18M2 3V11M18 3V11" class="span" fill="none"/>',
  printed: '<path d="M3 7L9 1L15 7L9 13Z" class="printed"/>',
};

/** What the marks of a plot mean. */
export function key(entries: readonly (readonly [keyof typeof MARKS, string])[]): string {
  const item = ([mark, meaning]: readonly [keyof typeof MARKS, string]) =>
    `<span><svg width="20" height="14" aria-hidden="true">${MARKS[mark]}</svg>${escapeText(meaning)}</span>`;
  return `<div class="key">${entries.map(item).join("")}</div>`;
}
