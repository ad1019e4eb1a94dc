// Text and record files: UTF-8 with a size limit, JSON Lines or one JSON array, every record with its line.
import { closeSync, fstatSync, openSync, readFileSync } from "node:fs";
import { EvaluationError } from "./errors.js";

/** One record of a file. `line` is its 1-based line in JSON Lines, its 1-based position in a JSON array. */
export interface Line {
  line: number;
  value: Record<string, unknown>;
}

/** Largest file read, bytes. */
export const MAX_FILE_BYTES = 512 * 1024 * 1024;

/**
 * The whole file as text. A byte-order mark is dropped.
 * @throws EvaluationError NOT_FOUND, TOO_LARGE (above `maxBytes`), BAD_TEXT (not UTF-8)
 */
export function readTextFile(path: string, { maxBytes = MAX_FILE_BYTES } = {}): string {
  let bytes: Buffer;
  try {
    const file = openSync(path, "r");
    try {
      const status = fstatSync(file);
      if (!status.isFile()) throw new EvaluationError("NOT_FOUND", "not a regular file", { path });
      if (status.size > maxBytes) {
        throw new EvaluationError("TOO_LARGE", `${status.size} bytes, the limit is ${maxBytes}`, { path });
      }
      bytes = readFileSync(file);
    } finally {
      closeSync(file);
    }
  } catch (error) {
    if (error instanceof EvaluationError) throw error;
    throw new EvaluationError("NOT_FOUND", `cannot be read (${(error as NodeJS.ErrnoException).code ?? error})`, {
      path,
    });
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new EvaluationError("BAD_TEXT", "is not UTF-8", { path });
  }
}

/**
 * The records of a JSON Lines file, or of a file that is one JSON array; which of the two is read off the first
 * character, not the file name (the released MMLU files are JSON Lines named `.json`). Blank lines are skipped.
 * @throws EvaluationError BAD_JSON with the line, and what `readTextFile` throws
 */
export function readRecords(path: string, options: { maxBytes?: number } = {}): Line[] {
  const text = readTextFile(path, options);
  if (/^\s*\[/.test(text)) {
    const array = parseJson(text, path);
    if (!Array.isArray(array)) throw new EvaluationError("BAD_JSON", "is not a JSON array", { path });
    return array.map((value, i) => record(value, path, i + 1));
  }
  const records: Line[] = [];
  let line = 0;
  for (const row of text.split("\n")) {
    line++;
    if (row.trim() !== "") records.push(record(parseJson(row, path, line), path, line));
  }
  return records;
}

function parseJson(text: string, path: string, line?: number): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const where = line === undefined ? { path } : { path, line };
    throw new EvaluationError("BAD_JSON", `is not JSON (${(error as Error).message})`, where);
  }
}

function record(value: unknown, path: string, line: number): Line {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new EvaluationError("BAD_JSON", "a record must be a JSON object", { path, line });
  }
  return { line, value: value as Record<string, unknown> };
}
