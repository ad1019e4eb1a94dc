// Structure-aware fuzzing of headers: bent in a few places, each either opens and reads back, or has a code. Nothing else.
import fc from "fast-check";
import { expect, test } from "vitest";
import { fraction, fuzzRuns } from "../../../vitest.fuzz.js";
import { bitsPerElement } from "../src/dtypes.js";
import { type Dtype, dtypes, parseHeader, SafetensorsError } from "../src/index.js";
import { file } from "./files.js";

/** Headers per test; QLORA_FUZZ raises it. */
const RUNS = fuzzRuns(25_000);

interface Entry {
  name: string;
  dtype: string;
  shape: string[];
  offsets: string[];
}

/** A right header as text parts, and the bytes it describes. */
const header = fc
  .array(
    fc.record({
      name: fc.oneof(fc.string({ maxLength: 8 }), fc.constantFrom("a", "b", "é", "😀", "constructor", "x".repeat(60))),
      dtype: fc.constantFrom(...dtypes),
      shape: fc.array(fc.nat(3), { maxLength: 3 }),
    }),
    { maxLength: 5 },
  )
  .map((list) => {
    let at = 0;
    const entries: Entry[] = [];
    const seen = new Set<string>(["__metadata__", "__proto__"]);
    for (const { name, dtype, shape } of list) {
      const bits = shape.reduce((a, b) => a * b, bitsPerElement(dtype as Dtype));
      if (seen.has(name) || bits % 8 !== 0) continue;
      seen.add(name);
      entries.push({ name, dtype, shape: shape.map(String), offsets: [`${at}`, `${at + bits / 8}`] });
      at += bits / 8;
    }
    return { entries, dataBytes: at };
  });

const number = fc.constantFrom(
  "0",
  "1",
  "-1",
  "-0",
  "2.0",
  "1e2",
  "9007199254740991",
  "9007199254740992",
  "18446744073709551615",
  "null",
  '"1"',
  "[]",
  "01",
  "",
);
const token = fc.constantFrom(
  "{",
  "}",
  "[",
  "]",
  ",",
  ":",
  '"',
  "\\",
  "\\ud800",
  "\\u0000",
  "0",
  " ",
  "\n",
  "\0",
  "\ufeff",
  '"a":{}',
  "null",
  '"__metadata__":{"k":"v"}',
  '"__metadata__":{"k":1}',
  '"__proto__":',
  "e",
  ".",
);

/** One way to bend a header. `at` is a fraction of whatever it is applied to. */
const bend = fc.record({
  kind: fc.constantFrom(
    "size",
    "offset",
    "shift",
    "metadata",
    "rank",
    "dtype",
    "name",
    "field",
    "drop",
    "insert",
    "delete",
    "length",
    "data",
    "raw",
  ),
  at: fraction,
  number,
  token,
  amount: fc.integer({ min: -9, max: 9 }),
});
type Bend = typeof bend extends fc.Arbitrary<infer T> ? T : never;

function build({ entries, dataBytes }: { entries: Entry[]; dataBytes: number }, bends: Bend[]): Uint8Array {
  const list = structuredClone(entries);
  const put = (values: string[], { at, number }: Bend) => {
    if (values.length > 0) values[Math.floor(at * values.length)] = number;
  };
  const fields = new Map<number, (text: string) => string>();
  for (const b of bends) {
    const entry = list[Math.floor(b.at * list.length)];
    if (entry === undefined) continue;
    if (b.kind === "size") put(entry.shape, b);
    if (b.kind === "offset") put(entry.offsets, b);
    if (b.kind === "rank") entry.shape.push(..."1".repeat(Math.abs(b.amount)));
    if (b.kind === "dtype") entry.dtype = ["F128", "f32", "", "toString", "F6_E2M3", "C64"][Math.abs(b.amount) % 6]!;
    if (b.kind === "name") entry.name = [list[0]!.name, "__proto__", "\0"][Math.abs(b.amount) % 3]!;
    if (b.kind === "shift") entry.offsets = entry.offsets.map((offset) => `${Math.max(0, Number(offset) + b.amount)}`);
    if (b.kind === "field")
      fields.set(list.indexOf(entry), (text) => text.replace(/"(shape|dtype)":/, `"${b.amount}":`));
    if (b.kind === "drop") fields.set(list.indexOf(entry), (text) => text.replace(/"dtype":"[^"]*",/, ""));
  }
  const members = list.map(({ name, dtype, shape, offsets }, i) => {
    const text = `${JSON.stringify(name)}:{"dtype":"${dtype}","shape":[${shape}],"data_offsets":[${offsets}]}`;
    return fields.get(i)?.(text) ?? text;
  });
  const strings = ["{}", '{"format":"pt"}', '{"a":"","a":""}', '{"a":1}', '["a"]', '"a"'];
  for (const b of bends)
    if (b.kind === "metadata") members.push(`"__metadata__":${strings[Math.abs(b.amount) % strings.length]}`);
  let text = `{${members.join(",")}}`;
  let length = 0;
  for (const b of bends) {
    const at = Math.floor(b.at * (text.length + 1));
    if (b.kind === "insert") text = text.slice(0, at) + b.token + text.slice(at);
    if (b.kind === "delete") text = text.slice(0, at) + text.slice(at + 1 + Math.abs(b.amount));
    if (b.kind === "length") length += b.amount;
    if (b.kind === "data") dataBytes = Math.max(0, dataBytes + b.amount);
  }
  const json = new TextEncoder().encode(text);
  for (const b of bends)
    if (b.kind === "raw" && json.length > 0) json[Math.floor(b.at * json.length)]! ^= 1 << (b.amount & 7);
  return file(json, dataBytes, Math.max(0, json.length + length));
}

const codes = new Map<string, number>();

test(`${RUNS} bent headers: a code or a header whose parts add up`, { timeout: 3_600_000 }, () => {
  let accepted = 0;
  fc.assert(
    fc.property(header, fc.array(bend, { minLength: 0, maxLength: 3 }), (right, bends) => {
      const bytes = build(right, bends);
      try {
        const { tensors, dataOffset } = parseHeader(bytes, bytes.length);
        accepted++;
        let sum = 0;
        for (const [name, info] of tensors) {
          expect(info.name).toBe(name);
          expect(info.shape.every((dim) => Number.isSafeInteger(dim) && dim >= 0)).toBe(true);
          const bits = info.shape.reduce((a, b) => a * b, bitsPerElement(info.dtype));
          expect((info.end - info.begin) * 8).toBe(bits);
          sum += bits / 8;
        }
        expect(dataOffset + sum).toBe(bytes.length);
      } catch (error) {
        if (!(error instanceof SafetensorsError)) throw error;
        codes.set(error.code, (codes.get(error.code) ?? 0) + 1);
        expect(error.message.length).toBeLessThan(700);
      }
      if (bends.length === 0) parseHeader(bytes, bytes.length);
    }),
    { numRuns: RUNS },
  );
  expect(accepted).toBeGreaterThan(RUNS / 10);
});

test("the fuzzing reaches every code a header can have", () => {
  const wanted = [
    "HEADER_TRUNCATED",
    "UTF8",
    "JSON",
    "DUP_KEY",
    "UNKNOWN_FIELD",
    "FIELD_MISSING",
    "METADATA_TYPE",
    "NAME",
    "DTYPE",
  ];
  wanted.push("SHAPE_RANK", "DIM", "OFFSETS", "OVERFLOW", "SIZE_MISMATCH", "HOLE_OVERLAP", "COVERAGE", "NOT_OBJECT");
  expect(wanted.filter((code) => !codes.has(code))).toEqual([]);
});

test(`${RUNS / 5} headers of random bytes`, { timeout: 3_600_000 }, () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), fc.boolean(), (random, framed) => {
      const bytes = framed ? file(random) : random;
      try {
        parseHeader(bytes, bytes.length);
      } catch (error) {
        if (!(error instanceof SafetensorsError)) throw error;
      }
    }),
    { numRuns: Math.ceil(RUNS / 5) },
  );
});
