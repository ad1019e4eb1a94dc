// loadTokenizer: special tokens, streaming, pieces, vocabulary.
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { checkVocabulary, loadTokenizer } from "../src/index.js";
import { dataError, golden, tokenizer } from "./shared.js";

const NAMES = ["stories260K", "metaspace", "byte-level", "llama3", "unigram"];
const dir = mkdtempSync(join(tmpdir(), "qlora-tokenizer-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** A copy of stories260K's tokenizer.json beside the given files. */
function folder(name: string, files: Record<string, unknown>): string {
  const path = join(dir, name);
  mkdirSync(path);
  copyFileSync(golden("tokenizers/stories260K/tokenizer.json"), join(path, "tokenizer.json"));
  for (const [file, value] of Object.entries(files)) {
    writeFileSync(join(path, file), typeof value === "string" ? value : JSON.stringify(value));
  }
  return path;
}

describe("special tokens", () => {
  test("stories260K", () => {
    const t = tokenizer("stories260K");
    expect([t.bos, t.eos, t.pad, t.unk, t.vocabSize]).toEqual([1, 2, undefined, 0, 512]);
    expect(t.prefix).toEqual([1]);
    expect([...t.encode("Once upon a time, there was a little girl named Lily.")]).toEqual([
      1, 403, 407, 261, 378, 432, 383, 286, 261, 376, 298, 315, 421, 395, 317, 426,
    ]);
  });

  test("tokenizer_config.json comes before special_tokens_map.json before config.json", () => {
    const path = folder("precedence", {
      "tokenizer_config.json": { bos_token: { content: "<s>", lstrip: false }, eos_token: null },
      "special_tokens_map.json": { bos_token: "</s>", eos_token: { content: "</s>" } },
      "config.json": { bos_token_id: 0, eos_token_id: 1, pad_token_id: 0 },
      "generation_config.json": { eos_token_id: [1, 2] },
    });
    const t = loadTokenizer(path);
    expect([t.bos, t.eos, t.pad]).toEqual([1, 2, 0]);
    expect(t.eosIds).toEqual([2, 1]);
  });

  test("a folder with nothing but tokenizer.json, and the file itself", () => {
    const path = folder("bare", {});
    expect([loadTokenizer(path).bos, loadTokenizer(path).eos]).toEqual([undefined, undefined]);
    expect(loadTokenizer(join(path, "tokenizer.json")).unk).toBe(0);
  });

  test("the post-processor decides what goes around a text, not add_bos_token", () => {
    const path = folder("add-bos", { "tokenizer_config.json": { bos_token: "<s>", add_bos_token: false } });
    expect(loadTokenizer(path).encode("hi")[0]).toBe(1);
    expect(loadTokenizer(path).encode("hi", { addSpecial: false })[0]).not.toBe(1);
    expect([...tokenizer("unigram").encode("hi")].at(-1)).toBe(tokenizer("unigram").eos);
  });

  test("a token that is not in the vocabulary is an error", () => {
    const path = folder("unknown", { "tokenizer_config.json": { eos_token: "<|nowhere|>" } });
    expect(dataError("TOKENIZER", () => loadTokenizer(path)).message).toMatch(/<\|nowhere\|>.*eos_token/);
  });

  test("bad configuration names file and field", () => {
    const wrong = folder("wrong", { "tokenizer_config.json": { bos_token: 7 } });
    expect(dataError("FIELD_TYPE", () => loadTokenizer(wrong)).message).toMatch(
      /tokenizer_config\.json: "bos_token" is 7/,
    );
    const broken = folder("broken", { "special_tokens_map.json": "{" });
    expect(dataError("JSON", () => loadTokenizer(broken)).path).toMatch(/special_tokens_map\.json$/);
    const list = folder("list", { "config.json": [] });
    dataError("NOT_OBJECT", () => loadTokenizer(list));
  });

  test("chat templates: a string, a list, a file", () => {
    const named = [
      { name: "default", template: "A" },
      { name: "tool_use", template: "B" },
    ];
    expect(loadTokenizer(folder("t1", { "tokenizer_config.json": { chat_template: "A" } })).chatTemplate).toBe("A");
    const list = loadTokenizer(folder("t2", { "tokenizer_config.json": { chat_template: named } }));
    expect([list.chatTemplate, list.chatTemplates.get("tool_use")]).toEqual(["A", "B"]);
    const file = folder("t3", { "tokenizer_config.json": { chat_template: "A" }, "chat_template.jinja": "C" });
    expect(loadTokenizer(file).chatTemplate).toBe("C");
    const bad = folder("t4", { "tokenizer_config.json": { chat_template: [{ name: 1 }] } });
    dataError("FIELD_TYPE", () => loadTokenizer(bad));
  });

  test("no tokenizer.json: says so, and what tokenizer.model is for", () => {
    dataError("FILE_UNREADABLE", () => loadTokenizer(join(dir, "nowhere")));
    mkdirSync(join(dir, "sp"));
    writeFileSync(join(dir, "sp/tokenizer.model"), "");
    expect(dataError("FILE_UNREADABLE", () => loadTokenizer(join(dir, "sp"))).message).toMatch(/tokenizer\.model/);
  });
});

describe("decoding", () => {
  const texts = (
    JSON.parse(readFileSync(new URL("golden/tokenizers.json", import.meta.url), "utf8")) as { texts: string[] }
  ).texts;

  test.each(NAMES)("%s: token by token equals at once", (name) => {
    const t = tokenizer(name);
    for (const text of texts) {
      const ids = t.encode(text);
      const stream = t.decodeStream();
      const pieces = [...ids].map((id) => stream.push(id));
      expect(pieces.join("") + stream.end()).toBe(t.decode(ids));
    }
  });

  const streamed = (name: string, ids: readonly number[]): string => {
    const stream = tokenizer(name).decodeStream({ skipSpecial: false });
    return ids.map((id) => stream.push(id)).join("") + stream.end();
  };

  test.each(["byte-level", "llama3", "unigram"])("%s: any ids, too", (name) => {
    const t = tokenizer(name);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: t.vocabSize + 3 }), { maxLength: 40 }), (ids) => {
        expect(streamed(name, ids)).toBe(t.decode(ids, { skipSpecial: false }));
      }),
      { numRuns: 300 },
    );
  });

  // Byte tokens that are not UTF-8 spoil the byte tokens before them, which a stream has returned already.
  test.each(["stories260K", "metaspace"])("%s: any ids whose bytes are UTF-8", (name) => {
    const t = tokenizer(name);
    const words = [...Array(t.vocabSize).keys()].filter((id) => !/^<0x..>$/.test(t.tokenOf(id)!)).map((id) => [id]);
    const bytes = fc
      .string({ unit: "binary", minLength: 1, maxLength: 1 })
      .map((c) => [...new TextEncoder().encode(c)].map((b) => byteToken(b)));
    const byteToken = (b: number): number => t.idOf(`<0x${b.toString(16).toUpperCase().padStart(2, "0")}>`)!;
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.constantFrom(...words), bytes), { maxLength: 20 }), (parts) => {
        expect(streamed(name, parts.flat())).toBe(t.decode(parts.flat(), { skipSpecial: false }));
      }),
      { numRuns: 300 },
    );
  });

  test("a character spread over tokens appears whole", () => {
    const t = tokenizer("stories260K");
    const stream = t.decodeStream();
    const pieces = [...t.encode("a 😊!", { addSpecial: false })].map((id) => stream.push(id));
    expect(pieces.filter((x) => x !== "")).toEqual(["a", " ", "😊", "!"]);
    expect(pieces.every((x) => !x.includes("\ufffd"))).toBe(true);
    expect(stream.end()).toBe("");
  });

  test("what is incomplete comes out at the end", () => {
    const t = tokenizer("stories260K");
    const bytes = [...t.encode("😊", { addSpecial: false })].slice(-4, -1);
    const stream = t.decodeStream();
    expect(bytes.map((id) => stream.push(id)).join("")).toBe("");
    expect(stream.end()).toBe("\ufffd\ufffd\ufffd");
    expect(stream.push(t.idOf("a")!)).toBe("a");
  });

  test("special tokens are left out unless asked for; unknown ids always", () => {
    const t = tokenizer("stories260K");
    expect(t.decode([1, t.idOf("a")!, 2, 9999])).toBe("a");
    expect(t.decode([1, t.idOf("a")!, 2], { skipSpecial: false })).toBe("<s>a</s>");
    expect(t.decode([])).toBe("");
  });
});

describe("encoding in pieces", () => {
  // Cut where no tokenizer joins what it separates.
  const cut = fc.array(fc.stringMatching(/^[a-zA-Zé世😊.,]{1,8}$/u), { minLength: 1, maxLength: 8 });

  test.each(NAMES)("%s: cut before spaces, pieces make the ids of the whole", (name) => {
    const t = tokenizer(name);
    fc.assert(
      fc.property(cut, (words) => {
        const pieces = words.map((word, i) => (i === 0 ? word : ` ${word}`));
        const ids = t.encodeSegments(pieces.map((text) => ({ text, target: false }))).flat();
        expect(ids).toEqual([...t.encode(pieces.join(""), { addSpecial: false })]);
      }),
      { numRuns: 300 },
    );
  });

  test.each(["stories260K", "metaspace", "llama3", "byte-level"])("%s: cut at special tokens, too", (name) => {
    const t = tokenizer(name);
    const eos = t.tokenOf(t.eos!)!;
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(eos, "one", " two", " three."), { minLength: 1, maxLength: 8 }),
        (pieces) => {
          // "one" may only follow a special token or begin, else it continues a word.
          const fixed = pieces.map((x, i) => (x === "one" && i > 0 && pieces[i - 1] !== eos ? " one" : x));
          const asText = t.encodeSegments(fixed.map((text) => ({ text, target: false }))).flat();
          const asIds = fixed.map((text) => (text === eos ? { id: t.eos!, target: false } : { text, target: false }));
          expect(asText).toEqual([...t.encode(fixed.join(""), { addSpecial: false })]);
          expect(t.encodeSegments(asIds).flat()).toEqual(asText);
        },
      ),
      { numRuns: 300 },
    );
  });

  test("a piece that continues a word has no space in front", () => {
    const t = tokenizer("stories260K");
    const [, second] = t.encodeSegments([
      { text: "### Response:", target: false },
      { text: "The", target: true },
    ]);
    expect(t.decode(second!)).toBe("The");
    expect(second!.map((id) => t.tokenOf(id)).join("")).toBe("The");
    expect([...t.encode("The", { addSpecial: false })].map((id) => t.tokenOf(id)).join("")).toBe("▁The");
    expect([...t.encode("The", { addSpecial: false, continues: true })]).toEqual(second);
  });
});

test("checkVocabulary", () => {
  const t = tokenizer("stories260K");
  expect(() => checkVocabulary(t, { rows: 512 })).not.toThrow();
  expect(() => checkVocabulary(t, { rows: 600 })).not.toThrow();
  expect(dataError("VOCABULARY", () => checkVocabulary(t, { rows: 511 })).message).toMatch(/ids up to 511.*511 rows/);
});
