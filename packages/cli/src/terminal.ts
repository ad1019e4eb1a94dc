// How text leaves the process: results on stdout, everything else on stderr, styles only where a terminal shows them.
import { escapeControls } from "@qlora/data";

/** Whether a stream shows colours: a terminal, unless NO_COLOR is set (no-color.org) or the terminal is dumb. */
export function hasColor(stream: NodeJS.WriteStream): boolean {
  return stream.isTTY === true && !process.env.NO_COLOR && process.env.TERM !== "dumb";
}

/** Bold on a terminal. */
export function bold(text: string, stream: NodeJS.WriteStream = process.stderr): string {
  return hasColor(stream) ? `\x1b[1m${text}\x1b[22m` : text;
}

/** A line for a person, on stderr. */
export function say(line = ""): void {
  process.stderr.write(`${line}\n`);
}

/** A result on stdout: one JSON document with `--json`, else text. */
export function result(json: boolean, value: unknown, text: string): void {
  process.stdout.write(`${json ? toJson(value) : text.replace(/\n$/, "")}\n`);
}

/** JSON on one line. It has no NaN or infinity: they become the strings "NaN", "Infinity", as in log.jsonl. */
export function toJson(value: unknown): string {
  return JSON.stringify(value, (_, item) =>
    typeof item === "number" && !Number.isFinite(item) ? String(item) : (item as unknown),
  );
}

/** Text from a file for a terminal: control characters are shown, not obeyed. */
export function printable(text: string): string {
  return escapeControls(text, { keep: "\n" });
}

/** Rows of columns, padded; numbers to the right. */
export function table(rows: readonly (readonly (string | number)[])[]): string {
  const widths: number[] = [];
  for (const row of rows)
    row.forEach((cell, i) => {
      widths[i] = Math.max(widths[i] ?? 0, String(cell).length);
    });
  return rows
    .map((row) =>
      row
        .map((cell, i) =>
          typeof cell === "number" ? String(cell).padStart(widths[i]!) : String(cell).padEnd(widths[i]!),
        )
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** Breaks text into lines of at most `width` characters at its spaces; a longer word keeps a line to itself. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}
