// Unigram segmentation against the best of all segmentations, and its corner cases.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { unigram } from "../src/unigram.js";

const vocabulary = (entries: Record<string, number>): [string, number][] => Object.entries(entries);

/** Every way to cut a text into tokens, with its score. */
function* segmentations(text: string, scores: Record<string, number>): Generator<{ tokens: string[]; score: number }> {
  if (text === "") yield { tokens: [], score: 0 };
  for (const [token, score] of Object.entries(scores)) {
    if (!text.startsWith(token)) continue;
    for (const rest of segmentations(text.slice(token.length), scores)) {
      yield { tokens: [token, ...rest.tokens], score: score + rest.score };
    }
  }
}

test("the segmentation of highest score", () => {
  const token = fc.stringMatching(/^[ab]{1,3}$/);
  const scores = fc
    .array(fc.tuple(token, fc.integer({ min: -20, max: -1 })), { maxLength: 6 })
    .map((x) => ({ ...Object.fromEntries(x), a: -9, b: -8 }));
  fc.assert(
    fc.property(scores, fc.stringMatching(/^[ab]{0,8}$/), (entries: Record<string, number>, text) => {
      const tokens = unigram({ vocab: vocabulary(entries) })(text);
      expect(tokens.join("")).toBe(text);
      const best = Math.max(...[...segmentations(text, entries)].map((x) => x.score));
      expect(tokens.reduce((sum, x) => sum + entries[x]!, 0)).toBe(best);
    }),
  );
});

describe("corner cases", () => {
  // The example in the documentation of tokenizers/src/models/unigram/model.rs.
  test("unknown characters in a row are one piece", () => {
    const entries = { "<unk>": 0, a: 0, b: 0, c: 0, d: 0, cd: 1, ab: 2, abc: 5, abcd: 10 };
    expect(unigram({ vocab: vocabulary(entries) })("abcdacdxx")).toEqual(["abcd", "a", "cd", "xx"]);
    expect(unigram({ vocab: vocabulary(entries) })("😊xa😊")).toEqual(["😊x", "a", "😊"]);
  });

  test("with bytes they are bytes", () => {
    const entries = Object.fromEntries(
      [...Array(256).keys()].map((x) => [`<0x${x.toString(16).toUpperCase().padStart(2, "0")}>`, -20]),
    );
    const encode = unigram({ vocab: vocabulary({ ...entries, a: -1 }), byte_fallback: true });
    expect(encode("aéa")).toEqual(["a", "<0xC3>", "<0xA9>", "a"]);
  });

  test("the earlier start wins a tie; nothing gives nothing", () => {
    const encode = unigram({ vocab: vocabulary({ a: -1, aa: -1 }) });
    expect(encode("aaa")).toEqual(["a", "aa"]);
    expect(encode("")).toEqual([]);
  });
});
