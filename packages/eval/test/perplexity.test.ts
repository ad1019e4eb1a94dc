// Strided perplexity: every token once, against transformers on a real model's numbers, documents, and bad input.

import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { formatPerplexity, perplexity, readDocuments, type TokenScorer, windows } from "../src/index.js";
import { failure, folder, goldenJson, jsonl } from "./shared.js";

interface Case {
  bos: number | null;
  window: number;
  stride: number;
  tokens: number;
  nll: number;
  perplexity: number;
  bitsPerByte: number;
  windows: { begin: number; end: number; nll: number[] }[];
}
const golden: { text: string; ids: number[]; cases: Case[] } = goldenJson("perplexity.json");

// conformance/perplexity_golden.py: stories260K on 1,200 characters, by transformers. The scorer replays the model's own nll of
// each window and checks that it is asked for exactly those windows.
test.each(golden.cases)("window $window, stride $stride, bos $bos as in transformers", async (c) => {
  const all = c.bos === null ? golden.ids : [c.bos, ...golden.ids];
  const pending = [...c.windows];
  const scorer: TokenScorer = {
    contextLength: 512,
    ...(c.bos === null ? {} : { bos: c.bos }),
    encode: () => golden.ids,
    scoreTokens: (ids) => {
      const next = pending.shift()!;
      expect([...ids]).toEqual(all.slice(next.begin, next.end));
      return Float32Array.from([Number.NaN, ...next.nll]);
    },
  };
  const result = await perplexity([{ text: golden.text }], scorer, { window: c.window, stride: c.stride });
  expect(pending).toEqual([]);
  expect(result).toMatchObject({
    tokens: c.tokens,
    unscored: c.bos === null ? 1 : 0,
    windows: c.windows.length,
    documents: 1,
  });
  expect(Math.abs(result.nll / c.nll - 1)).toBeLessThan(1e-7); // the golden file holds float32 values
  expect(Math.abs(result.perplexity / c.perplexity - 1)).toBeLessThan(1e-6);
  expect(Math.abs(result.bitsPerByte! / c.bitsPerByte - 1)).toBeLessThan(1e-7);
});

test("every token but the first is counted once, with at least window − stride tokens before it", () => {
  fc.assert(
    fc.property(fc.nat(200), fc.integer({ min: 2, max: 64 }), fc.nat(), (length, window, s) => {
      const stride = 1 + (s % (window - 1));
      const counted: number[] = [];
      for (const w of windows(length, window, stride)) {
        expect(w.end - w.begin).toBeLessThanOrEqual(window);
        for (let i = w.from; i < w.end; i++) {
          counted.push(i);
          expect(i - w.begin).toBeGreaterThanOrEqual(Math.min(i, window - stride));
        }
      }
      expect(counted).toEqual(Array.from({ length: Math.max(0, length - 1) }, (_, i) => i + 1));
    }),
  );
});

/** nll of a token is its id / 10; one token per character. */
const byCharacter = (contextLength = 8): TokenScorer => ({
  contextLength,
  encode: (text) => [...text].map((c) => c.codePointAt(0)!),
  scoreTokens: (ids) => Float32Array.from(ids, (id, i) => (i === 0 ? Number.NaN : id / 10)),
});

test("documents are scored on their own and summed; bytes are UTF-8", async () => {
  const result = await perplexity([{ text: "\u0001\u0002\u0003" }, { text: "" }, { text: "\u0004é" }], byCharacter());
  expect(result).toMatchObject({ tokens: 3, unscored: 2, documents: 2, bytes: 6, window: 8, stride: 4 });
  expect(result.nll).toBeCloseTo((0.2 + 0.3 + 23.3) / 3, 5);
  expect(result.bitsPerByte).toBeCloseTo(23.8 / Math.LN2 / 6, 5);
  expect(formatPerplexity(result)).toContain(
    "tokens         3 in 2 documents (6 bytes, 2 without a predecessor left out)",
  );
});

test("maxTokens stops exactly there", async () => {
  for (let maxTokens = 1; maxTokens <= 12; maxTokens++) {
    const seen: number[] = [];
    const result = await perplexity([{ text: "abcdefg" }, { text: "hijklmn" }], byCharacter(4), {
      stride: 2,
      maxTokens,
      onProgress: (p) => seen.push(p.tokens),
    });
    expect(result.tokens).toBe(maxTokens);
    expect(seen.at(-1)).toBe(maxTokens);
    expect(result.bitsPerByte === null).toBe(maxTokens !== 6 && maxTokens !== 12);
  }
});

test("bad windows, scorers and texts", async () => {
  const run = (options: object, scorer = byCharacter()) => perplexity([{ text: "abcdefghijkl" }], scorer, options);
  await expect(run({ stride: 8 })).rejects.toThrow("stride must be an integer from 1 to 7, got 8");
  await expect(run({ stride: 0 })).rejects.toThrow(RangeError);
  await expect(run({ window: 9 })).rejects.toThrow("window must be an integer from 2 to 8, got 9");
  await expect(run({ maxTokens: 0 })).rejects.toThrow("maxTokens");
  await failure("BAD_SCORER", () => run({}, { ...byCharacter(), scoreTokens: () => new Float32Array(2) }));
  await failure("BAD_SCORER", () =>
    run({}, { ...byCharacter(), scoreTokens: (ids) => new Float32Array(ids.length).fill(Number.NaN) }),
  );
  await failure("BAD_DOCUMENT", () => perplexity([{ text: "a" }], byCharacter()));
});

test("texts and JSON Lines as documents", async () => {
  const dir = folder({
    "a.txt": "\ufeffline one\n\nline two\n",
    "b.jsonl": jsonl([{ text: "one" }, { content: "two" }]),
    "c.json": JSON.stringify([{ body: "three" }]),
    "d.jsonl": jsonl([{ text: "one" }, { text: 2 }]),
  });
  expect(readDocuments(join(dir, "a.txt"))).toEqual([{ text: "line one\n\nline two\n" }]);
  expect(readDocuments(join(dir, "b.jsonl")).map((d) => d.text)).toEqual(["one", "two"]);
  expect(readDocuments(join(dir, "c.json"), { field: "body" })).toEqual([{ text: "three" }]);
  expect((await failure("BAD_DOCUMENT", () => readDocuments(join(dir, "d.jsonl")))).message).toMatch(
    'd.jsonl:2: has no text in "text", "content", "document"',
  );
  await failure("NOT_FOUND", () => readDocuments(join(dir, "none.txt")));
  await failure("NOT_FOUND", () => readDocuments(dir));
});

test("files that are not text, or too large, are refused", async () => {
  const dir = folder({});
  const { writeFileSync } = await import("node:fs");
  writeFileSync(join(dir, "bad.txt"), Uint8Array.of(0x61, 0xff, 0x62));
  await failure("BAD_TEXT", () => readDocuments(join(dir, "bad.txt")));
  const { readTextFile } = await import("../src/records.js");
  await failure("TOO_LARGE", () => readTextFile(join(dir, "bad.txt"), { maxBytes: 2 }));
});
