// readDataset: every form, every error with file and line.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  DataError,
  type DataErrorCode,
  type Example,
  iterateDataset,
  readDataset,
  type TextExample,
} from "../src/index.js";
import { dataError, describeShared, fixture, SHARED, scratch } from "./shared.js";

const file = scratch();
const without = (examples: Example[]): unknown[] => examples.map(({ origin: _, ...rest }) => rest);
const lines = (...records: unknown[]): string => records.map((x) => `${JSON.stringify(x)}\n`).join("");

describe("forms", () => {
  test("alpaca, as a JSON array and as JSONL", () => {
    const array = readDataset(fixture("data/alpaca.json"));
    expect(array).toHaveLength(8);
    expect(array[0]).toMatchObject({ kind: "instruction" });
    expect(array.map((x) => x.origin?.line)).toEqual([2, 7, 12, 17, 22, 27, 32, 37]);
    const records = JSON.parse(readFileSync(fixture("data/alpaca.json"), "utf8")) as { input: string }[];
    const jsonl = readDataset(file("alpaca.jsonl", lines(...records)));
    expect(without(jsonl)).toEqual(without(array));
    expect(array.filter((x) => x.kind === "instruction" && x.input !== "")).toHaveLength(4);
  });

  test("alpaca without input", () => {
    const [a, b] = readDataset(
      file("noinput.jsonl", lines({ instruction: "i", output: "o" }, { instruction: "i", input: null, output: "" })),
    );
    expect(a).toMatchObject({ kind: "instruction", instruction: "i", input: "", output: "o" });
    expect(b).toMatchObject({ input: "", output: "" });
  });

  test("messages", () => {
    const examples = readDataset(fixture("data/oasst1_messages.jsonl"));
    expect(examples).toHaveLength(14);
    expect(examples[3]!.origin).toEqual({ path: fixture("data/oasst1_messages.jsonl"), line: 4 });
  });

  test("Guanaco's transcripts are the same conversations", () => {
    expect(without(readDataset(fixture("data/oasst1_validation.jsonl")))).toEqual(
      without(readDataset(fixture("data/oasst1_messages.jsonl"))),
    );
  });

  test("transcripts in a text field", () => {
    const text = "### Human: a\nb ### Assistant: c### Human: d### Assistant: e\n";
    const path = file("text.jsonl", lines({ text }, { text: "just text" }, { text: "### Human: open ### Assistant:" }));
    expect(without(readDataset(path))).toEqual([
      {
        kind: "messages",
        messages: [
          { role: "user", content: "a\nb" },
          { role: "assistant", content: "c" },
          { role: "user", content: "d" },
          { role: "assistant", content: "e" },
        ],
      },
      { kind: "text", text: "just text" },
      { kind: "messages", messages: [{ role: "user", content: "open" }] },
    ]);
  });

  test("prompt/completion and input/output", () => {
    const pair = { kind: "completion", prompt: "2+2=", completion: "4" };
    expect(without(readDataset(file("pc.jsonl", lines({ prompt: "2+2=", completion: "4" }))))).toEqual([pair]);
    expect(without(readDataset(file("io.jsonl", lines({ input: "2+2=", output: "4" }))))).toEqual([pair]);
  });

  test("a given format wins over what would be detected", () => {
    const path = file("both.jsonl", lines({ messages: [], text: "t", prompt: "p", completion: "c" }));
    expect(readDataset(path, { format: "prompt-completion" })[0]).toMatchObject({ kind: "completion" });
    expect(readDataset(path, { format: "text" })[0]).toMatchObject({ kind: "text", text: "t" });
  });

  test("text files", () => {
    const text = readFileSync(fixture("data/shakespeare.txt"), "utf8");
    expect(without(readDataset(fixture("data/shakespeare.txt")))).toEqual([{ kind: "text", text }]);
    expect(readDataset(file("notes", "no extension\r\nCRLF"))[0]).toMatchObject({ text: "no extension\nCRLF" });
    expect(readDataset(file("json-like.txt", "[Verse 1]\n{"))[0]).toMatchObject({ text: "[Verse 1]\n{" });
  });

  test("byte-order mark, CRLF, empty lines, no line end at the end", () => {
    const record = '{"text":"a"}';
    const path = file("bom.jsonl", `\ufeff${record}\r\n\r\n  \n${record}`);
    expect(readDataset(path).map((x) => x.origin?.line)).toEqual([1, 4]);
    expect(readDataset(file("bom.json", `\ufeff [${record}]`))).toHaveLength(1);
    expect(readDataset(file("bom.txt", "\ufeffa"))[0]).toMatchObject({ text: "a" });
    expect(readDataset(file("inner.jsonl", lines({ text: "\ufeffkept" })))[0]).toMatchObject({ text: "\ufeffkept" });
  });
});

describe("errors name file and line", () => {
  const ok = '{"text":"a"}\n';
  const message = (x: unknown): string => lines({ messages: [{ role: "user", content: "a" }] }, { messages: x });
  const CASES: [DataErrorCode, string, string | Uint8Array, number | undefined, RegExp][] = [
    ["EMPTY_FILE", "empty", "", undefined, /the file is empty/],
    ["EMPTY_FILE", "white space", "\ufeff \n\r\n", undefined, /empty/],
    ["EMPTY_FILE", "empty array", "[ ]", undefined, /no records/],
    ["JSON", "cut off", `${ok}{"text":`, 2, /not valid JSON/],
    ["JSON", "trailing comma", `${ok}{"text":"a",}`, 2, /not valid JSON/],
    ["JSON", "two on a line", `${ok}{"text":"a"}{"text":"b"}`, 2, /not valid JSON/],
    ["JSON", "array not closed", '[{"text":"a"},\n{"text":"b"}', 2, /not closed \(1 complete/],
    ["JSON", "array with a gap", '[{"text":"a"},\n,{"text":"b"}]', 2, /found ,/],
    ["JSON", "array with a trailing comma", '[{"text":"a"},\n]', 2, /found \]/],
    ["JSON", "text after the array", '[{"text":"a"}]\nmore', 2, /after the end/],
    ["JSON", "deep", `[${"[".repeat(100)}`, 1, /64 levels/],
    ["JSON", "bad element", '[\n{"text":"a"},\n{"text":nope}]', 3, /not valid JSON/],
    ["NOT_OBJECT", "number in the array", "[1]", 1, /1 is not a JSON object/],
    ["NOT_OBJECT", "string record", `${ok}"text"`, 2, /not a JSON object/],
    ["FORMAT_UNKNOWN", "unknown fields", '{"question":"a","answer":"b"}', 1, /\["question","answer"\]; known are/],
    ["FIELD_MISSING", "another form later", `${ok}{"prompt":"a","completion":"b"}`, 2, /"text" is missing/],
    ["FIELD_TYPE", "number", `${ok}{"text":5}`, 2, /"text" is 5, expected a string/],
    ["FIELD_TYPE", "null", '{"prompt":null,"completion":"b"}', 1, /"prompt" is null/],
    ["FIELD_TYPE", "input a number", '{"instruction":"a","input":3,"output":"b"}', 1, /"input" is 3/],
    ["FIELD_TYPE", "messages not a list", message("hi"), 2, /"messages" is "hi"/],
    ["FIELD_MISSING", "no messages", message([]), 2, /"messages" is empty/],
    ["FIELD_TYPE", "message not an object", message(["hi"]), 2, /"messages\[0\]" is "hi"/],
    ["FIELD_TYPE", "content in parts", message([{ role: "user", content: [] }]), 2, /messages\[0\]\.content/],
    ["FIELD_MISSING", "no role", message([{ content: "a" }]), 2, /messages\[0\]\.role/],
    ["ROLE", "unknown role", message([{ role: "gpt", content: "a" }]), 2, /"gpt", known are system, user/],
    ["UTF8", "bad byte", Buffer.concat([Buffer.from(ok), Buffer.from([0x22, 0xc3, 0x28])]), 2, /UTF-8/],
    [
      "UTF8",
      "bad byte in an array",
      Buffer.concat([Buffer.from('[\n"'), Buffer.from([0xff]), Buffer.from('"]')]),
      2,
      /UTF-8/,
    ],
    ["UTF8", "overlong", Buffer.concat([Buffer.from("text "), Buffer.from([0xc0, 0x80])]), 1, /UTF-8/],
    ["UTF8", "half a surrogate pair", `${ok}{"text":"\\ud83d"}`, 2, /surrogate/],
    ["LINE_TOO_LONG", "long line", `${ok}{"text":"${"a".repeat(3000)}"}`, 2, /limit of 1000 bytes/],
    ["LINE_TOO_LONG", "long element", `[{"text":"a"},\n{"text":"${"a".repeat(3000)}"}]`, 2, /limit of 1000 bytes/],
  ];
  test.each(CASES)("%s: %s", (code, name, content, line, expected) => {
    const path = file(`${name}.data`, content);
    const error = dataError(code, () => readDataset(path, { maxLineBytes: 1000 }));
    expect([error.path, error.line]).toEqual([path, line]);
    expect(error.message).toMatch(expected);
    expect(error.message.startsWith(line === undefined ? `${path}: ` : `${path}:${line}: `)).toBe(true);
  });

  test("no file, a folder, JSON asked for and text found", () => {
    dataError("FILE_UNREADABLE", () => readDataset("/nowhere/data.jsonl"));
    dataError("FILE_UNREADABLE", () => readDataset(fixture("data")));
    dataError("JSON", () => readDataset(file("t.txt", "some text"), { format: "alpaca" }));
  });

  test("control characters in data do not reach the message", () => {
    const path = file("escape.jsonl", '{"\\u001b[2Jx":1}\n');
    expect(dataError("FORMAT_UNKNOWN", () => readDataset(path)).message).not.toMatch(/\x1b/);
  });

  test("random damage gives examples or a DataError", () => {
    const base = readFileSync(fixture("data/oasst1_messages.jsonl"));
    fc.assert(
      fc.property(fc.nat(base.length - 1), fc.nat(200), fc.uint8Array({ maxLength: 6 }), (at, length, put) => {
        const path = file("damaged.jsonl", Buffer.concat([base.subarray(0, at), put, base.subarray(at + length)]));
        try {
          readDataset(path);
        } catch (error) {
          if (!(error instanceof DataError)) throw error;
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe("JSON arrays are cut as JSON.parse reads them", () => {
  test("any values, any layout", () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ text: fc.string({ unit: "grapheme" }), x: fc.jsonValue({ maxDepth: 3 }) }), {
          minLength: 1,
        }),
        fc.nat(3),
        (records, indent) => {
          const path = file("any.json", JSON.stringify(records, undefined, indent));
          expect(readDataset(path).map((x) => (x as TextExample).text)).toEqual(records.map((x) => x.text));
        },
      ),
      { numRuns: 300 },
    );
  });

  test("elements across the pieces in which a file is read", () => {
    const records = Array.from({ length: 40 }, (_, i) => ({ text: `${'é{}[]",\\'.repeat(9000 + i)}${i}` }));
    const path = file("large.json", JSON.stringify(records, undefined, 1));
    expect(readDataset(path).map((x) => (x as TextExample).text)).toEqual(records.map((x) => x.text));
    const jsonl = file("large.jsonl", lines(...records));
    expect(readDataset(jsonl).map((x) => (x as TextExample).text)).toEqual(records.map((x) => x.text));
  });
});

describe("long texts come in parts that join to the whole", () => {
  const join_ = (path: string): { text: string; parts: (string | undefined)[]; lines: number[] } => {
    const examples = readDataset(path) as TextExample[];
    const parts = examples.map((x) => x.part);
    return { text: examples.map((x) => x.text).join(""), parts, lines: examples.map((x) => x.origin!.line) };
  };

  test.each([
    ["words", "some words and more of them\n".repeat(12_000)],
    ["CRLF", "a line\r\nanother\r\n".repeat(90_000)],
    ["without spaces", "汉字。没有空格，\n".repeat(50_000)],
    ["without any place to cut", "😊".repeat(700_000)],
  ])("%s", (name, text) => {
    const got = join_(file(`${name}.txt`, text));
    expect(got.text).toBe(text.replaceAll("\r\n", "\n"));
    expect(got.parts.length).toBeGreaterThan(1);
    expect([got.parts[0], got.parts.at(-1)]).toEqual(["first", "last"]);
    expect(got.parts.slice(1, -1).every((x) => x === "middle")).toBe(true);
    const second = got.text.slice(0, (readDataset(file("again.txt", text))[0] as TextExample).text.length);
    expect(got.lines[1]).toBe(second.split("\n").length);
  });

  test.each([
    ["at the end", 300_000, "a line\n", [0xff], "", 300_001],
    ["in the middle", 160_000, "a line\n", [0xff], "\na line\n".repeat(5000), 160_001],
    [
      "a character cut by the end of a piece",
      1,
      `${"a\n".repeat(2 ** 19 - 1)}a`,
      [0xe4, 0x41, 0x42],
      "\nb\nc",
      2 ** 19,
    ],
    ["an unfinished character at the end", 3, "a\n", [0xe4, 0xb8], "", 4],
  ])("bad UTF-8 %s names its line", (name, times, text, bad, rest, line) => {
    const bytes = Buffer.concat([Buffer.from(text.repeat(times)), Buffer.from(bad), Buffer.from(rest)]);
    expect(dataError("UTF8", () => readDataset(file(`${name}.txt`, bytes))).line).toBe(line);
  });
});

test("iterateDataset reads as it goes", () => {
  const path = file("lazy.jsonl", `{"text":"a"}\n{"text":"b"}\nbroken`);
  const seen: string[] = [];
  const error = dataError("JSON", () => {
    for (const example of iterateDataset(path)) seen.push((example as TextExample).text);
  });
  expect(seen).toEqual(["a", "b"]);
  expect(error.line).toBe(3);
});

describeShared(
  "the real files",
  [
    "data/alpaca_en_demo.json",
    "data/oasst1_messages.jsonl",
    "data/oasst1_validation.jsonl",
    "data/tinyshakespeare.txt",
  ],
  () => {
    test("alpaca", () => {
      const examples = readDataset(join(SHARED, "data/alpaca_en_demo.json"));
      expect(examples).toHaveLength(999);
      expect(without(examples)).toEqual(
        (JSON.parse(readFileSync(join(SHARED, "data/alpaca_en_demo.json"), "utf8")) as object[]).map((x) => ({
          kind: "instruction",
          ...x,
        })),
      );
    });

    test("OASST1: transcripts and messages are the same 953 conversations", () => {
      const messages = without(readDataset(join(SHARED, "data/oasst1_messages.jsonl")));
      expect(messages).toHaveLength(953);
      expect(without(readDataset(join(SHARED, "data/oasst1_validation.jsonl")))).toEqual(messages);
    });

    test("Shakespeare", () => {
      const parts = readDataset(join(SHARED, "data/tinyshakespeare.txt")) as TextExample[];
      expect(parts.map((x) => x.text).join("")).toBe(readFileSync(join(SHARED, "data/tinyshakespeare.txt"), "utf8"));
    });
  },
);
