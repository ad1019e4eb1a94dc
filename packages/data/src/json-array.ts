// Cuts a file that is one JSON array into the texts of its elements while reading it, so that a large array is never in
// memory twice. Structure only ({}, [], strings, commas); what an element holds is JSON.parse's business.
import { DataError } from "./errors.js";
import { decodeUtf8, fileChunks, type Line } from "./files.js";

const [QUOTE, BACKSLASH, COMMA, OPEN, CLOSE, OPEN_BRACE, CLOSE_BRACE, LF] = [
  0x22, 0x5c, 0x2c, 0x5b, 0x5d, 0x7b, 0x7d, 0x0a,
];
const MAX_DEPTH = 64;

function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d;
}

/**
 * The elements of the array in a file, as text with the line on which each starts. An element of more than
 * `maxElementBytes`, nesting beyond 64 levels, text around the array and an unfinished array are DataErrors.
 */
export function* readJsonArray(path: string, { maxElementBytes }: { maxElementBytes: number }): Generator<Line> {
  let state = "before" as "before" | "between" | "element" | "after";
  let line = 1;
  let startLine = 1;
  let depth = 0;
  let inString = false;
  let escaped = false;
  let needsElement = false; // after a comma
  let count = 0;
  let offset = 0;
  let held: Uint8Array[] = [];
  let size = 0;
  const fail = (message: string): never => {
    throw new DataError("JSON", `not valid JSON: ${message}`, { path, line });
  };
  const take = (bytes: Uint8Array): void => {
    size += bytes.length;
    if (size > maxElementBytes) {
      throw new DataError("LINE_TOO_LONG", `the record is longer than the limit of ${maxElementBytes} bytes`, {
        path,
        line: startLine,
      });
    }
    held.push(bytes);
  };
  const finish = (): Line => {
    const text = decodeUtf8(Buffer.concat(held), path, startLine).trimEnd();
    held = [];
    size = 0;
    count++;
    return { text, line: startLine };
  };

  for (const chunk of fileChunks(path)) {
    let from = 0; // start of the part of the current element in this chunk
    let i = 0;
    if (offset === 0 && chunk[0] === 0xef && chunk[1] === 0xbb && chunk[2] === 0xbf) i = 3;
    for (; i < chunk.length; i++) {
      const c = chunk[i]!;
      if (c === LF) line++;
      if (state === "element") {
        if (inString) {
          if (escaped) escaped = false;
          else if (c === BACKSLASH) escaped = true;
          else if (c === QUOTE) inString = false;
        } else if (c === QUOTE) inString = true;
        else if (c === OPEN || c === OPEN_BRACE) {
          if (++depth > MAX_DEPTH) fail(`nested more than ${MAX_DEPTH} levels deep`);
        } else if ((c === CLOSE || c === CLOSE_BRACE) && depth > 0) depth--;
        else if (c === COMMA || c === CLOSE) {
          if (depth === 0) {
            take(chunk.subarray(from, i));
            yield finish();
            state = c === COMMA ? "between" : "after";
            needsElement = c === COMMA;
          }
        }
      } else if (isSpace(c)) {
        // nothing
      } else if (state === "before") {
        if (c !== OPEN) fail("expected [ at the start");
        state = "between";
      } else if (state === "after") {
        fail("text after the end of the array");
      } else if (c === CLOSE && !needsElement) {
        state = "after";
      } else if (c === COMMA || c === CLOSE) {
        fail(`expected a record, found ${String.fromCharCode(c)}`);
      } else {
        state = "element";
        startLine = line;
        from = i;
        i--; // look at this byte again, as part of the element
      }
    }
    if (state === "element") take(chunk.slice(from));
    offset += chunk.length;
  }
  if (state !== "after") fail(`the array is not closed (${count} complete records)`);
}
