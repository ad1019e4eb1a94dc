// Structure-aware fuzzing: tokenizer.json and dataset files bent in a few places are used, or refused with a code.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  type Bend,
  bends,
  bentJson,
  bentText,
  expectCodes,
  fuzzRuns,
  memoryFolder,
  typedError,
} from "../../../vitest.fuzz.js";
import { DataError, loadTokenizer, readDataset } from "../src/index.js";
import { checkTokenizerJson } from "../src/tokenizer-json.js";
import { tokenizers } from "./small-tokenizers.js";

const folder = memoryFolder();
const texts = ["Hello world", "", " a\0 é😀\n", "<s>hi</s> ab", "ab".repeat(40), "\ud800 12"];

const runs = fuzzRuns(5000);
const whole = Math.ceil(runs / 10); // these take longer

test(`${runs} bent tokenizer.json, checked: a DataError, or the parts it has`, { timeout: 3_600_000 }, () => {
  const codes = new Set<string>();
  let passed = 0;
  const property = (document: object, list: Bend[]) => {
    let json: unknown;
    try {
      json = JSON.parse(new TextDecoder().decode(bentJson(document, list)));
    } catch {
      return;
    }
    const error = typedError([DataError], () => {
      expect(checkTokenizerJson(json, "tokenizer.json").model).toBeTypeOf("object");
      passed++;
    });
    if (error !== undefined) codes.add(error.code);
  };
  fc.assert(fc.property(fc.constantFrom(...tokenizers), bends, property), { numRuns: runs });
  expect(passed).toBeGreaterThan(runs / 20);
  expectCodes(codes, "TOKENIZER", "TOKENIZER_IDS", "TOKENIZER_COMPONENT");
});

test(`${whole} bent tokenizer.json: a DataError, or a tokenizer whose ids are its own`, { timeout: 3_600_000 }, () => {
  const path = join(folder, "tokenizer.json");
  const codes = new Set<string>();
  let used = 0;
  const property = (document: object, list: Bend[]) => {
    writeFileSync(path, bentJson(document, list));
    const error = typedError([DataError], () => {
      const tokenizer = loadTokenizer(path);
      used++;
      for (const text of texts) {
        const refused = typedError([DataError], () => {
          const ids = tokenizer.encode(text);
          if (!ids.every((id) => id >= 0 && id < tokenizer.vocabSize)) throw new Error(`ids ${ids} of ${text}`);
          tokenizer.decode(ids);
          tokenizer.encodeSegments([
            { text, target: false },
            { text, target: true },
          ]);
        });
        if (list.length === 0) expect(refused).toBeUndefined();
      }
      const stream = tokenizer.decodeStream();
      for (let id = 0; id < Math.min(tokenizer.vocabSize, 40); id++) stream.push(id);
    });
    if (error !== undefined) codes.add(error.code);
    if (list.length === 0) expect(error).toBeUndefined();
  };
  fc.assert(fc.property(fc.constantFrom(...tokenizers), bends, property), { numRuns: whole });
  expect(used).toBeGreaterThan(whole / 20);
  expectCodes(codes, "JSON", "TOKENIZER", "TOKENIZER_IDS", "TOKENIZER_COMPONENT");
});

const records: object[] = [
  { instruction: "Add.", input: "1 2", output: "3" },
  {
    messages: [
      { role: "user", content: "Hi" },
      { role: "assistant", content: "Hello" },
    ],
  },
  { prompt: "a", completion: "b" },
  { input: "### Human: a ### Assistant:", output: "b" },
  { text: "### Human: a ### Assistant: b" },
];
const newline = fc.constantFrom("\n", "\r\n", "\n\n", " ", "");

test(`${runs} bent datasets: a DataError with a line, or examples`, { timeout: 3_600_000 }, () => {
  const path = join(folder, "data");
  const codes = new Set<string>();
  let used = 0;
  const property = (record: object, list: Bend[], which: number, end: string, array: boolean) => {
    const lines = [record, record, record].map((value, i) => bentJson(value, i === which ? list : []));
    const parts = lines.flatMap((line) => [line, Buffer.from(array ? `,${end}` : end)]).slice(0, -1);
    const bytes = Buffer.concat(array ? [Buffer.from("["), ...parts, Buffer.from("]")] : parts);
    writeFileSync(path, bytes);
    const error = typedError([DataError], () => {
      for (const { origin } of readDataset(path, { maxLineBytes: 30_000 })) expect(origin!.line).toBeGreaterThan(0);
      used++;
    });
    if (error === undefined) return;
    codes.add(error.code);
    expect(error.line ?? 1).toBeGreaterThan(0);
    if (list.length === 0 && (array || end.includes("\n"))) throw error;
  };
  fc.assert(fc.property(fc.constantFrom(...records), bends, fc.nat(2), newline, fc.boolean(), property), {
    numRuns: runs,
  });
  expect(used).toBeGreaterThan(runs / 20);
  expectCodes(
    codes,
    "JSON",
    "UTF8",
    "NOT_OBJECT",
    "FIELD_MISSING",
    "FIELD_TYPE",
    "FORMAT_UNKNOWN",
    "ROLE",
    "LINE_TOO_LONG",
  );
});

test(`${runs} texts and bytes of any kind as a dataset`, { timeout: 3_600_000 }, () => {
  const path = join(folder, "text");
  const read = (bytes: Uint8Array) => {
    writeFileSync(path, bytes);
    typedError([DataError], () => void readDataset(path));
  };
  const text = "### Human: é\r\nZwei 😀\n\n{[ ### Assistant: a\n";
  fc.assert(
    fc.property(bends, (list) => read(bentText(text, list))),
    { numRuns: runs },
  );
  fc.assert(fc.property(fc.uint8Array({ maxLength: 40 }), read), { numRuns: runs });
});
