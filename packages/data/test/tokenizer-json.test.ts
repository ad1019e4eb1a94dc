// A bad tokenizer.json is refused with a code, and names the file.
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DataError, loadTokenizer } from "../src/index.js";
import { exponential } from "../src/regex.js";
import { checkTokenizerJson } from "../src/tokenizer-json.js";
import { dataError, golden, scratch } from "./shared.js";

const file = scratch();
type Json = Record<string, unknown> & { model: Record<string, unknown>; added_tokens: Record<string, unknown>[] };
const good = (): Json => JSON.parse(readFileSync(golden("tokenizers/byte-level/tokenizer.json"), "utf8")) as Json;
const changed = (change: (json: Json) => void): unknown => {
  const json = good();
  change(json);
  return json;
};

const CASES: [string, string, (json: Json) => void, RegExp][] = [
  ["TOKENIZER", "model missing", (j) => Reflect.deleteProperty(j, "model"), /"model" is missing/],
  ["TOKENIZER", "vocabulary missing", (j) => Reflect.deleteProperty(j.model, "vocab"), /"model.vocab"/],
  ["TOKENIZER", "vocabulary empty", (j) => Object.assign(j.model, { vocab: {} }), /empty/],
  ["TOKENIZER_IDS", "id twice", (j) => Object.assign(j.model.vocab as object, { zzzz: 5 }), /id 5 belongs to both/],
  ["TOKENIZER_IDS", "id negative", (j) => Object.assign(j.model.vocab as object, { zzzz: -1 }), /"zzzz" has id -1/],
  ["TOKENIZER_IDS", "id fractional", (j) => Object.assign(j.model.vocab as object, { zzzz: 1.5 }), /1\.5/],
  ["TOKENIZER_IDS", "id text", (j) => Object.assign(j.model.vocab as object, { zzzz: "9" }), /"9"/],
  ["TOKENIZER_IDS", "id huge", (j) => Object.assign(j.model.vocab as object, { zzzz: 2 ** 40 }), /1099511627776/],
  [
    "TOKENIZER_IDS",
    "merge of an unknown token",
    (j) => (j.model.merges as unknown[]).push(["q", "qqqq"]),
    /"qqqq" is not/,
  ],
  ["TOKENIZER_IDS", "merge to an unknown token", (j) => (j.model.merges as unknown[]).push(["q", "Z"]), /"qZ" is not/],
  [
    "TOKENIZER_IDS",
    "unknown token beyond the vocabulary",
    (j) =>
      Object.assign(j, {
        model: {
          type: "Unigram",
          unk_id: 2,
          vocab: [
            ["a", -1],
            ["b", -2],
          ],
        },
      }),
    /"model.unk_id" is 2, expected an id of the vocabulary, 0 … 1/,
  ],
  ["TOKENIZER", "merge of three", (j) => (j.model.merges as unknown[]).push(["a", "b", "c"]), /expected two tokens/],
  ["TOKENIZER", "merges not a list", (j) => Object.assign(j.model, { merges: "a b" }), /"model.merges"/],
  ["TOKENIZER", "added token without content", (j) => j.added_tokens.push({ id: 9999 }), /added_tokens\[3\]/],
  [
    "TOKENIZER_IDS",
    "added token on another's id",
    (j) => j.added_tokens.push({ id: 60, content: "<x>" }),
    /belongs to/,
  ],
  ["TOKENIZER", "normalizer a number", (j) => Object.assign(j, { normalizer: 3 }), /"normalizer" is 3/],
  ["TOKENIZER_COMPONENT", "unknown model", (j) => Object.assign(j.model, { type: "Neural" }), /cannot be used/],
  [
    "TOKENIZER_COMPONENT",
    "unknown pre-tokenizer",
    (j) => Object.assign(j, { pre_tokenizer: { type: "Magic" } }),
    /Magic/,
  ],
  [
    "TOKENIZER_REGEX",
    "exponential pattern",
    (j) => Object.assign(j, { pre_tokenizer: { type: "Split", pattern: { Regex: "(a+)+$" }, behavior: "Isolated" } }),
    /\(a\+\)\+\$/,
  ],
];

describe("refused", () => {
  test.each(CASES)("%s: %s", (code, name, change, message) => {
    const path = file(`${code}-${name}.json`, JSON.stringify(changed(change)));
    const error = dataError(code as DataError["code"], () => loadTokenizer(path));
    expect(error.path).toBe(path);
    expect(error.message).toMatch(message);
  });

  test("not JSON, not UTF-8, not an object, a folder", () => {
    dataError("JSON", () => loadTokenizer(file("a.json", "{")));
    dataError("UTF8", () => loadTokenizer(file("b.json", Uint8Array.of(0x7b, 0xff, 0x7d))));
    dataError("TOKENIZER", () => loadTokenizer(file("c.json", "[]")));
    dataError("FILE_UNREADABLE", () => loadTokenizer(golden("tokenizers")));
  });

  test("deep nesting", () => {
    const deep = `${'{"a":'.repeat(200)}1${"}".repeat(200)}`;
    dataError("TOKENIZER", () =>
      checkTokenizerJson(
        changed((j) => Object.assign(j, { decoder: JSON.parse(deep) })),
        "x",
      ),
    );
  });

  test("any change to a value gives a tokenizer or a DataError, nothing else", () => {
    const base = JSON.stringify(JSON.parse(readFileSync(golden("tokenizers/stories260K/tokenizer.json"), "utf8")));
    const path = file("fuzz.json", "");
    fc.assert(
      fc.property(
        fc.nat(base.length - 1),
        fc.nat(40),
        fc.constantFrom("", "1", '"', "{}", "null", "[", "-1", "\\"),
        (at, length, put) => {
          file("fuzz.json", base.slice(0, at) + put + base.slice(at + length));
          try {
            loadTokenizer(path).encode("Once upon a time 😊 </s>");
          } catch (error) {
            if (!(error instanceof DataError)) throw error;
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe("patterns", () => {
  const KNOWN = {
    gpt2: "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
    llama3:
      "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
    o200k:
      "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
    deepseek:
      "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
    bloom: " ?[^(\\s|[.,!?…。，、।۔،])]+",
    thousands: "(?=(\\d{3})+(?!\\d))",
    spaces: " {2,}",
  };
  test.each(Object.entries(KNOWN))("%s is accepted", (_, source) => expect(exponential(source)).toBeUndefined());

  test.each([
    "(a+)+",
    "(a*)*b",
    "(?:a|a)*",
    "((ab)?c?)+",
    "(?:x{2,5}){4,}",
    "([^\\]]+)*",
    "(?<n>a|b)+",
    "(a+){10}",
    "a(b(c+)d)*",
    "(.)\\1",
  ])("%s is refused", (source) => expect(exponential(source)).toBeTypeOf("string"));

  test("too long, too deep", () => {
    expect(exponential("a".repeat(10_000))).toMatch(/longer/);
    expect(exponential("(".repeat(100))).toMatch(/groups/);
  });
});
