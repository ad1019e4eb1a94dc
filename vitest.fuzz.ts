// For fuzzing readers: JSON documents that are right but for a few places, bent in the ways that files go wrong.
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, expect } from "vitest";

/** How many cases a test tries: QLORA_FUZZ, or what takes about a second. */
export function fuzzRuns(few: number): number {
  return Number(process.env.QLORA_FUZZ ?? few);
}

/** A folder for a test file's own files, in memory where the system has one: some disks flush a file that is written over. */
export function memoryFolder(): string {
  const folder = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "qlora-fuzz-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Fails where codes were never met: then the fuzzer no longer reaches what it should. */
export function expectCodes(met: ReadonlySet<string>, ...wanted: string[]): void {
  expect(wanted.filter((code) => !met.has(code))).toEqual([]);
}

/** What stands where something else should. */
const values = [
  ...["null", "true", "0", "-0", "-1", "7", "1.5", "1e2", "1e999", "4294967296", "9007199254740993"],
  ...[
    '""',
    '"a"',
    '"é😀"',
    '"\\ud800"',
    '"\\u0000"',
    '"__proto__"',
    '"../x"',
    '"(a+)+$"',
    '"[a"',
    `"${"x".repeat(3000)}"`,
  ],
  ...["[]", "{}", "[[]]", "[null]", '{"a":1}', "[1,2]", '["a","a"]', '{"type":"Sequence"}', '{"__proto__":{"a":1}}'],
  `${"[".repeat(8000)}${"]".repeat(8000)}`,
];
const names = [
  "",
  "a",
  ".",
  "..",
  "../x",
  "type",
  "__proto__",
  "constructor",
  "toString",
  "length",
  "\0",
  "é",
  "x".repeat(300),
];
const tokens = [
  "{",
  "}",
  "[",
  "]",
  ",",
  ":",
  '"',
  "\\",
  "\\ud800",
  "0",
  "-",
  "\0",
  "\ufeff",
  "\n",
  "\t",
  "&a ",
  "*a",
  "!!x ",
];

const kinds = ["value", "drop", "twice", "swap", "rename", "borrow", "stretch", "letter"] as const;
const textKinds = ["insert", "delete", "cut", "flip"] as const;

/** Uniform in [0, 1): what fc.double gives is nearly always close to 0. */
export const fraction = fc.noBias(fc.nat(2 ** 30 - 1)).map((n) => n / 2 ** 30);

/** One thing done to a document; `at` and `from` are fractions of whatever they are applied to. */
const bend = fc.record({
  kind: fc.constantFrom(...kinds, ...kinds, ...textKinds),
  at: fraction,
  from: fraction,
  depth: fc.nat(6),
});
export type Bend = typeof bend extends fc.Arbitrary<infer T> ? T : never;
export const bends: fc.Arbitrary<Bend[]> = fc.array(bend, { maxLength: 3 });

/** A JSON value whose scalars, and whatever replaced something, are texts. */
interface Node {
  key: string;
  brackets: "[]" | "{}" | "";
  text: string;
  children: Node[];
}

function node(value: unknown, key = ""): Node {
  if (typeof value !== "object" || value === null)
    return { key, brackets: "", text: JSON.stringify(value), children: [] };
  const children = Object.entries(value).map(([name, child]) => node(child, name));
  return { key, brackets: Array.isArray(value) ? "[]" : "{}", text: "", children };
}

function print({ brackets, text, children }: Node): string {
  if (brackets === "") return text;
  const members = children.map((child) => (brackets === "{}" ? `${JSON.stringify(child.key)}:` : "") + print(child));
  return `${brackets[0]}${members.join(",")}${brackets[1]}`;
}

/** Some node at most `depth` levels down: every child of a node is as likely, however much is below it. */
function find(root: Node, share: number, depth: number): { parent: Node; index: number } | undefined {
  for (let parent = root; parent.children.length > 0; depth--) {
    const index = Math.floor(share * parent.children.length);
    share = share * parent.children.length - index;
    const child = parent.children[index]!;
    if (depth <= 0 || child.children.length === 0) return { parent, index };
    parent = child;
  }
  return undefined;
}

const pick = <T>(list: readonly T[], share: number): T => list[Math.floor(share * list.length)]!;

function bendNode(root: Node, { kind, at, from, depth }: Bend): void {
  const place = find(root, at, depth);
  if (place === undefined) return;
  const { parent, index } = place;
  const found = parent.children[index]!;
  if (kind === "value") parent.children[index] = { ...found, brackets: "", text: pick(values, from), children: [] };
  if (kind === "drop") parent.children.splice(index, 1);
  if (kind === "twice") parent.children.splice(index, 0, structuredClone(found));
  if (kind === "rename") found.key = pick(names, from);
  if (kind === "swap" || kind === "borrow") {
    const other = find(root, from, depth);
    if (other === undefined) return;
    const value = structuredClone(other.parent.children[other.index]!);
    if (kind === "swap") parent.children[index] = { ...value, key: found.key };
    else found.key = value.key;
  }
  if (kind === "stretch") {
    if (found.brackets !== "") found.children = Array.from({ length: 40 }, () => found.children).flat();
    else found.text = found.text.startsWith('"') ? `"${found.text.slice(1, -1).repeat(200)}"` : `${found.text}000`;
  }
  if (kind === "letter") {
    const i = Math.floor(from * found.text.length);
    found.text = `${found.text.slice(0, i)}${String.fromCharCode(33 + (Math.floor(from * 7919) % 90))}${found.text.slice(i + 1)}`;
  }
}

/** The document as UTF-8, bent: first its values and keys, then the text, last the bytes. Without bends it is right. */
export function bentJson(document: unknown, list: readonly Bend[]): Uint8Array {
  const root: Node = { key: "", brackets: "[]", text: "", children: [node(document)] };
  for (const bend of list) bendNode(root, bend);
  return bentText(root.children.map(print).join(""), list);
}

/** The same for a text of any kind. */
export function bentText(text: string, list: readonly Bend[]): Uint8Array {
  for (const { kind, at, from } of list) {
    const i = Math.floor(at * (text.length + 1));
    if (kind === "insert") text = text.slice(0, i) + pick(tokens, from) + text.slice(i);
    if (kind === "delete") text = text.slice(0, i) + text.slice(i + 1 + Math.floor(from * 12));
    if (kind === "cut") text = text.slice(0, i);
  }
  const bytes = new TextEncoder().encode(text);
  for (const { kind, at, from } of list)
    if (kind === "flip" && bytes.length > 0) bytes[Math.floor(at * bytes.length)]! ^= 1 << Math.floor(from * 8);
  return bytes;
}

/** Runs a reader and returns its error, which must be one of `kinds` and say it in 2000 characters (escapes included); undefined where it found nothing wrong. */
export function typedError<T extends Error>(
  kinds: readonly (abstract new (...args: never[]) => T)[],
  run: () => void,
): T | undefined {
  try {
    run();
    return undefined;
  } catch (error) {
    const typed = kinds.find((kind) => error instanceof kind);
    if (typed === undefined) throw error;
    const { message } = error as T;
    if (message.length > 2000) throw new Error(`a message of ${message.length} characters`, { cause: error });
    return error as T;
  }
}
