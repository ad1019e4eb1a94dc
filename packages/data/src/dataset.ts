// Dataset files → examples. JSON array, JSONL or text is told by what is in the file, not by its name (except .txt).
import { isUtf8 } from "node:buffer";
import { extname } from "node:path";
import { DataError } from "./errors.js";
import type { Example } from "./example.js";
import { fileChunks, type Line, readLines } from "./files.js";
import { readJsonArray } from "./json-array.js";
import { detectFormat, parseRecord, type RecordFormat, toExample } from "./records.js";

export type DatasetFormat = "auto" | RecordFormat;

export interface ReadOptions {
  /**
   * "auto" (default) looks at the first record; every further record must have the same form.
   * "text" reads a file without JSON records as running text.
   */
  format?: DatasetFormat;
  /** Longest line or record accepted, in bytes. Default 16 MiB. */
  maxLineBytes?: number;
}

const MAX_LINE = 16 * 2 ** 20;
// Running text comes in pieces of about this many characters (see cutAt), and at most so many where there is no good place.
const PIECE = 1 << 16;
const LONGEST_PIECE = 1 << 20;

/**
 * Reads a dataset: alpaca, messages, prompt/completion, input/output or text records in JSON or JSONL, or a plain text
 * file. A byte-order mark and CRLF are accepted, empty lines skipped. Throws DataError naming file and line: JSON,
 * NOT_OBJECT, FIELD_MISSING, FIELD_TYPE, ROLE, UTF8, LINE_TOO_LONG, FORMAT_UNKNOWN, EMPTY_FILE, FILE_UNREADABLE.
 */
export function readDataset(path: string, options: ReadOptions = {}): Example[] {
  return [...iterateDataset(path, options)];
}

/** As `readDataset`, one example at a time: memory stays at one record. */
export function* iterateDataset(path: string, options: ReadOptions = {}): Generator<Example> {
  const { format = "auto", maxLineBytes = MAX_LINE } = options;
  const shape = fileShape(path);
  if (shape === "empty") throw new DataError("EMPTY_FILE", "the file is empty", { path });
  const isText = shape === "text" || (extname(path) === ".txt" && format === "auto");
  if (isText) {
    if (format !== "auto" && format !== "text") {
      throw new DataError("JSON", `not valid JSON: expected { or [ at the start, as format "${format}" is JSON`, {
        path,
        line: 1,
      });
    }
    yield* readPlainText(path);
    return;
  }
  const records: Iterable<Line> =
    shape === "array" ? readJsonArray(path, { maxElementBytes: maxLineBytes }) : readLines(path, { maxLineBytes });
  let known: RecordFormat | undefined = format === "auto" ? undefined : format;
  let count = 0;
  for (const { text, line } of records) {
    if (text.trim() === "") continue;
    const origin = { path, line };
    const record = parseRecord(text, origin);
    known ??= detectFormat(record, origin);
    yield toExample(record, known, origin);
    count++;
  }
  if (count === 0) throw new DataError("EMPTY_FILE", "the file holds no records", { path });
}

// What the first character that is not white space says.
function fileShape(path: string): "empty" | "array" | "lines" | "text" {
  let first = true;
  for (const chunk of fileChunks(path)) {
    let i = first && chunk[0] === 0xef && chunk[1] === 0xbb && chunk[2] === 0xbf ? 3 : 0;
    first = false;
    for (; i < chunk.length; i++) {
      const c = chunk[i]!;
      if (c === 0x20 || (c >= 0x09 && c <= 0x0d)) continue;
      if (c === 0x5b) return "array";
      return c === 0x7b ? "lines" : "text";
    }
  }
  return "empty";
}

// One document: consecutive pieces that join to the file's text, with CRLF as LF.
function* readPlainText(path: string): Generator<Example> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let held = "";
  let line = 1;
  const decode = (bytes?: Uint8Array): string => {
    try {
      return bytes === undefined ? decoder.decode() : decoder.decode(bytes, { stream: true });
    } catch (cause) {
      const at = line + newlines(held) + (bytes === undefined ? 0 : badLine(bytes));
      throw new DataError("UTF8", "not valid UTF-8", { path, line: at, cause });
    }
  };
  let first = true;
  function* pieces(final: boolean): Generator<Example> {
    while (held.length > 0) {
      const at = held.length > PIECE ? cutAt(held, PIECE) : -1;
      if (at < 0 && !final) return;
      const text = at < 0 ? held : held.slice(0, at);
      held = held.slice(text.length);
      const part = at < 0 ? (first ? undefined : "last") : first ? "first" : "middle";
      yield { kind: "text", text, ...(part === undefined ? {} : { part }), origin: { path, line } };
      first = false;
      line += newlines(text);
    }
  }
  for (const chunk of fileChunks(path)) {
    held = `${held}${decode(chunk)}`;
    // A CR at the very end may be half of a CRLF.
    const tail = held.endsWith("\r") ? "\r" : "";
    held = held.slice(0, held.length - tail.length).replaceAll("\r\n", "\n");
    yield* pieces(false);
    held += tail;
  }
  held += decode();
  yield* pieces(true);
}

// Which line of a piece of a file (0, 1, …) is not UTF-8. The piece may begin and end within a character.
function badLine(bytes: Uint8Array): number {
  let from = 0;
  while (from < 3 && (bytes[from]! & 0xc0) === 0x80) from++;
  let line = 0;
  for (let end = bytes.indexOf(0x0a, from); end >= 0; end = bytes.indexOf(0x0a, from)) {
    if (!isUtf8(bytes.subarray(from, end))) return line;
    from = end + 1;
    line++;
  }
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(from), { stream: true });
    return 0; // every line is good on its own: the character that began in the piece before is not
  } catch {
    return line;
  }
}

function newlines(text: string): number {
  let n = 0;
  for (let i = text.indexOf("\n"); i >= 0; i = text.indexOf("\n", i + 1)) n++;
  return n;
}

// The first place from `from` on where no pre-tokenizer in use joins what it separates: before a space between letters
// or digits, or after a line end between other characters. -1 if there is none.
function cutAt(text: string, from: number): number {
  const pattern = /(?<=[\p{L}\p{N}])(?= [\p{L}\p{N}])|(?<=\S\n)(?=\S)/gu;
  pattern.lastIndex = from;
  const at = pattern.exec(text)?.index ?? -1;
  if (at >= 0 || text.length < LONGEST_PIECE) return at;
  return /[\ud800-\udbff]/.test(text[LONGEST_PIECE - 1]!) ? LONGEST_PIECE - 1 : LONGEST_PIECE;
}
