// The catalogue of bad files (catalogue.test.ts): what one is, and what its makers share.
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** Files, by name within a folder; a folder's own are made where a name has slashes. */
export type Files = Record<string, string | Uint8Array>;

/** Bad files of one cause: number `i` of `count` is a variation of it. */
export interface Cause {
  code: string;
  count: number;
  make(i: number): Files;
}

/** Files of one format, and what reads them: `read` throws an error with the cause's code. */
export interface Format {
  name: string;
  read(dir: string): void;
  causes: readonly Cause[];
}

export function cause(code: string, count: number, make: (i: number) => Files): Cause {
  return { code, count, make };
}

export function writeFiles(dir: string, files: Files): void {
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(dir, name)), { recursive: true });
    writeFileSync(join(dir, name), content);
  }
}

/** One of a list, each in its turn. */
export const nth = <T>(list: readonly T[], i: number): T => list[i % list.length]!;
/** How often the list has been gone through, for a second choice that does not go with the first. */
export const round = <T>(list: readonly T[], i: number): number => Math.floor(i / list.length);

/** Values of every JSON type but the given ones. */
export function otherThan(...types: ("string" | "number" | "boolean" | "object" | "array" | "null")[]): unknown[] {
  const all = { string: "x", number: 7, boolean: true, object: { a: 1 }, array: [1], null: null };
  return Object.entries(all)
    .filter(([type]) => !(types as string[]).includes(type))
    .map(([, value]) => value);
}

/** A safetensors file: the length of the header, the header, and `data` or so many zeros. */
export function safetensors(header: string | Uint8Array, data: number | Uint8Array = 0, length?: bigint): Uint8Array {
  const json = Buffer.from(header);
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(length ?? BigInt(json.length));
  return Buffer.concat([size, json, typeof data === "number" ? Buffer.alloc(data) : data]);
}
