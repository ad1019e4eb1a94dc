// Comma-separated values (RFC 4180): quoted cells may hold commas, line ends and doubled quotes.
import { EvaluationError } from "../errors.js";

export interface Row {
  cells: string[];
  /** Line on which the row starts, 1-based. */
  line: number;
}

/** The rows of `text`; blank lines are skipped. @throws EvaluationError BAD_QUESTION on a quote that is never closed */
export function parseCsv(text: string, path: string): Row[] {
  const rows: Row[] = [];
  let line = 1;
  let at = 0;
  while (at < text.length) {
    const row: Row = { cells: [], line };
    for (;;) {
      let cell = "";
      if (text[at] === '"') {
        const start = line;
        at++;
        for (;;) {
          const close = text.indexOf('"', at);
          if (close < 0) throw new EvaluationError("BAD_QUESTION", "a quote is never closed", { path, line: start });
          cell += text.slice(at, close);
          at = close + 1;
          if (text[at] !== '"') break;
          cell += '"';
          at++;
        }
        line += cell.split("\n").length - 1;
      }
      // What follows a closing quote, or the whole of an unquoted cell.
      const end = nextBreak(text, at);
      cell += text.slice(at, end);
      at = end;
      row.cells.push(cell);
      if (text[at] !== ",") break;
      at++;
    }
    if (text[at] === "\r" && text[at + 1] === "\n") at++;
    at++; // the line end, or past the end of the text
    line++;
    if (row.cells.length > 1 || row.cells[0] !== "") rows.push(row);
  }
  return rows;
}

function nextBreak(text: string, from: number): number {
  for (let i = from; i < text.length; i++) {
    const c = text[i];
    if (c === "," || c === "\n" || (c === "\r" && text[i + 1] === "\n")) return i;
  }
  return text.length;
}
