// Reading text files with limits: whole small files, and large ones line by line or piece by piece.
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { DataError } from "./errors.js";

const CHUNK = 1 << 20;
const NEWLINE = 0x0a;

function reason(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === "ENOENT") return "no such file";
  if (code === "EISDIR") return "is a folder, not a file";
  if (code === "EACCES" || code === "EPERM") return "no permission to read it";
  return error instanceof Error ? error.message : String(error);
}

/** Yields the bytes of a file in pieces of at most 1 MiB. The piece is only valid until the next one is asked for. */
export function* fileChunks(path: string): Generator<Uint8Array> {
  let fd: number;
  try {
    fd = openSync(path, "r");
  } catch (cause) {
    throw new DataError("FILE_UNREADABLE", reason(cause), { path, cause });
  }
  try {
    const stat = fstatSync(fd);
    if (stat.isDirectory()) throw new DataError("FILE_UNREADABLE", "is a folder, not a file", { path });
    const buffer = new Uint8Array(stat.size > 0 ? Math.min(stat.size, CHUNK) : CHUNK); // a pipe has no size
    for (;;) {
      let n: number;
      try {
        n = readSync(fd, buffer, 0, buffer.length, null);
      } catch (cause) {
        throw new DataError("FILE_UNREADABLE", reason(cause), { path, cause });
      }
      if (n === 0) return;
      yield buffer.subarray(0, n);
    }
  } finally {
    closeSync(fd);
  }
}

/** Strict UTF-8 (no replacement characters, no lone surrogates); a byte-order mark at the start is dropped. */
export function decodeUtf8(bytes: Uint8Array, path: string, line?: number): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new DataError("UTF8", "not valid UTF-8", { path, line, cause });
  }
}

/** A whole small text file as strict UTF-8, at most `maxBytes`. */
export function readText(path: string, { maxBytes }: { maxBytes: number }): string {
  const parts: Uint8Array[] = [];
  let total = 0;
  for (const chunk of fileChunks(path)) {
    total += chunk.length;
    if (total > maxBytes)
      throw new DataError("FILE_TOO_LARGE", `is larger than the limit of ${maxBytes} bytes`, { path });
    parts.push(chunk.slice());
  }
  return decodeUtf8(Buffer.concat(parts), path);
}

/** A small JSON file; `undefined` when it does not exist and `optional` is set. */
export function readJson(
  path: string,
  { maxBytes, optional = false }: { maxBytes: number; optional?: boolean },
): unknown {
  let text: string;
  try {
    text = readText(path, { maxBytes });
  } catch (error) {
    const missing = ((error as DataError).cause as NodeJS.ErrnoException | undefined)?.code === "ENOENT";
    if (optional && missing) return undefined;
    throw error;
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new DataError("JSON", `not valid JSON: ${(cause as Error).message}`, { path, cause });
  }
}

export interface Line {
  text: string;
  /** 1-based. */
  line: number;
}

/**
 * The lines of a UTF-8 file, without their ends (LF or CRLF). A byte-order mark at the head is dropped; a line of more
 * than `maxLineBytes` and invalid UTF-8 are errors that name the line. Holds one line in memory.
 */
export function* readLines(path: string, { maxLineBytes }: { maxLineBytes: number }): Generator<Line> {
  let held: Uint8Array[] = [];
  let size = 0;
  let line = 0;
  const finish = (): Line => {
    line++;
    let bytes: Uint8Array = held.length === 1 ? held[0]! : Buffer.concat(held);
    if (bytes.length > 0 && bytes[bytes.length - 1] === 0x0d) bytes = bytes.subarray(0, -1);
    const text = line === 1 ? decodeUtf8(bytes, path, line) : decodeLine(bytes, path, line);
    held = [];
    size = 0;
    return { text, line };
  };
  for (const chunk of fileChunks(path)) {
    let from = 0;
    while (from < chunk.length) {
      const end = chunk.indexOf(NEWLINE, from);
      const to = end < 0 ? chunk.length : end;
      size += to - from;
      if (size > maxLineBytes) {
        throw new DataError("LINE_TOO_LONG", `the line is longer than the limit of ${maxLineBytes} bytes`, {
          path,
          line: line + 1,
        });
      }
      held.push(end < 0 ? chunk.slice(from, to) : chunk.subarray(from, to));
      if (end >= 0) yield finish();
      from = to + 1;
    }
  }
  if (size > 0) yield finish();
}

// After the first line U+FEFF is an ordinary character and must stay.
function decodeLine(bytes: Uint8Array, path: string, line: number): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new DataError("UTF8", "not valid UTF-8", { path, line, cause });
  }
}
