// Ids and decodings equal those of the Hugging Face tokenizers library (conformance/tokenizer_golden.py).
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readDataset, toMessages } from "../src/index.js";
import { describeShared, SHARED, tokenizer } from "./shared.js";

interface Golden {
  texts: string[];
  tokenizers: Record<
    string,
    {
      corpus: { messages: number; tokens: number; sha256: string };
      ids: number[][];
      decoded: string[];
      streams: { ids: number[]; text: string }[];
    }
  >;
}

const golden = JSON.parse(readFileSync(new URL("golden/tokenizers.json", import.meta.url), "utf8")) as Golden;
const fixtures = Object.keys(golden.tokenizers).filter((name) => name !== "gpt-neox");

function suite(name: string): void {
  const expected = golden.tokenizers[name]!;
  test.each(golden.texts.map((text, i) => [text, i] as const))("encodes %j", (text, i) => {
    expect([...tokenizer(name).encode(text)]).toEqual(expected.ids[i]);
  });
  test("decodes them", () => {
    expect(expected.ids.map((ids) => tokenizer(name).decode(ids))).toEqual(expected.decoded);
  });
  test("decodes random ids and broken UTF-8", () => {
    const got = expected.streams.map(({ ids }) => tokenizer(name).decode(ids, { skipSpecial: false }));
    expect(got).toEqual(expected.streams.map((x) => x.text));
  });
}

test("the golden file holds six tokenizers and a hundred texts", () => {
  expect(Object.keys(golden.tokenizers)).toHaveLength(6);
  expect(golden.texts.length).toBeGreaterThan(100);
});
describe.each(fixtures)("%s", suite);
describeShared("gpt-neox", ["tokenizers/gpt-neox/tokenizer.json"], () => suite("gpt-neox"));

describeShared(
  "every message of 953 dialogues",
  ["data/oasst1_messages.jsonl", "tokenizers/gpt-neox/tokenizer.json"],
  () => {
    const messages = () =>
      readDataset(join(SHARED, "data/oasst1_messages.jsonl")).flatMap((x) => (x.kind === "text" ? [] : toMessages(x)));

    test.each(Object.keys(golden.tokenizers))("%s", (name) => {
      const { corpus } = golden.tokenizers[name]!;
      const digest = createHash("sha256");
      const all = messages();
      let tokens = 0;
      for (const { content } of all) {
        const ids = tokenizer(name).encode(content);
        tokens += ids.length;
        digest.update(new Uint8Array(ids.buffer, ids.byteOffset, ids.byteLength));
      }
      expect({ messages: all.length, tokens, sha256: digest.digest("hex") }).toEqual(corpus);
    });
  },
);
