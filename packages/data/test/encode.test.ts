// Examples → ids and labels: masks, limits, reports, and prompts that begin as the training sequence does.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  countTargets,
  type EncodedExample,
  type Example,
  encodeDataset,
  encodeExample,
  encodeExamplePrompt,
  encodePrompt,
  IGNORE,
  type Message,
  type MessagesExample,
  readDataset,
  resolveTemplate,
  type Segment,
  toMessages,
} from "../src/index.js";
import { dataError, describeShared, fixture, SHARED, tokenizer } from "./shared.js";

const stories = tokenizer("stories260K");
const pair = (prompt: string, completion: string): Example => ({ kind: "completion", prompt, completion });
const chat = (...contents: string[]): Message[] =>
  contents.map((content, i) => ({ role: i % 2 === 0 ? "user" : "assistant", content }));
const learnt = ({ ids, labels }: { ids: Int32Array; labels: Int32Array }): number[] =>
  [...ids].filter((_, i) => labels[i] !== IGNORE);

/** Built-in templates with tokenizers that have their tokens. */
const PAIRS: [string, string][] = [
  ...["stories260K", "metaspace", "byte-level", "llama3"].flatMap((t): [string, string][] => [
    ["plain", t],
    ["guanaco", t],
    ["alpaca", t],
    ["zephyr", t],
    ["llama2", t],
  ]),
  ["chatml", "byte-level"],
  ["llama3", "llama3"],
];

describe.each(PAIRS)("%s with %s", (template, name) => {
  const t = tokenizer(name);
  const content = fc.oneof(fc.string({ unit: "grapheme" }), fc.constantFrom(" a", "b ", "\n\nc", "'s", "é", "1", ". "));
  const talk = fc.array(fc.tuple(content, content), { minLength: 1, maxLength: 4 }).map((x) => x.flat());

  test("labels are the ids or -100; every turn's end is learnt; a prompt begins the sequence", () => {
    fc.assert(
      fc.property(talk, (contents) => {
        const messages = chat(contents[0] || "?", ...contents.slice(1)); // with nothing before it EOS is not predicted
        const { ids, labels } = encodeExample({ kind: "messages", messages }, t, { template });
        expect(labels.every((x, i) => x === IGNORE || x === ids[i])).toBe(true);
        const ends = [...labels].filter((x) => x !== IGNORE && t.isSpecial(x)).length;
        expect(ends).toBeGreaterThanOrEqual(messages.length / 2);
        for (let turns = 1; turns < messages.length; turns += 2) {
          const prompt = encodePrompt(messages.slice(0, turns), t, { template });
          expect([...prompt]).toEqual([...ids.slice(0, prompt.length)]);
          expect(labels[prompt.length]).toBe(ids[prompt.length]);
          if (turns === 1) expect(labels.slice(0, prompt.length).every((x) => x === IGNORE)).toBe(true);
        }
      }),
      { numRuns: 60 },
    );
  });

  test("what is learnt decodes to the answers", () => {
    const messages = chat("One?", "First answer.", "Two?", "Second, 😊 answer.");
    const sequence = encodeExample({ kind: "messages", messages }, t, { template });
    const text = t.decode(learnt(sequence), { skipSpecial: true });
    expect(text.replace(/\s+/g, " ").trim()).toMatch(/^First answer\. ?Second, 😊 answer\.$/);
  });
});

describe("per-segment ids equal those of the whole text", () => {
  test.each(PAIRS)("%s with %s", (template, name) => {
    const t = tokenizer(name);
    const resolved = resolveTemplate(template, t);
    for (const example of readDataset(fixture("data/oasst1_messages.jsonl"))) {
      const segments = resolved.render(toMessages(example as MessagesExample), {
        tokenizer: t,
        addGenerationPrompt: false,
      });
      // plain has nothing between its turns: "…?" and "Answer" may be joined by a tokenizer, so it is not compared.
      if (template === "plain") segments.splice(0, segments.length, ...segments.filter((x) => !x.target));
      const text = segments.map((x) => ("text" in x ? x.text : x.around ? "" : t.tokenOf(x.id))).join("");
      const ids = t.encodeSegments(joinText(segments)).flat();
      const around = segments.filter((x) => "id" in x && x.around).length;
      expect(ids.slice(around)).toEqual([...t.encode(text, { addSpecial: false })]);
    }
  });
});

/** Neighbouring text of one kind as one segment, as encodeExample does it. */
function joinText(segments: Segment[]): Segment[] {
  const out: Segment[] = [];
  for (const x of segments) {
    const last = out.at(-1);
    if (last !== undefined && "text" in last && "text" in x && last.target === x.target) last.text += x.text;
    else out.push({ ...x });
  }
  return out;
}

describe("the answer never changes the prompt's ids", () => {
  test("where tokenising the whole text would", () => {
    const t = tokenizer("byte-level");
    const prompt = t.encode("the th");
    const { ids, labels } = encodeExample(pair("the th", "e"), t, { template: "plain" });
    expect([...ids.slice(0, prompt.length)]).toEqual([...prompt]);
    expect([...labels]).toEqual([...prompt.map(() => IGNORE), t.idOf("e"), t.eos]);
    expect([...t.encode("the the").slice(0, prompt.length)]).not.toEqual([...prompt]);
  });
});

describe("options", () => {
  test("trainOnSource learns all but BOS", () => {
    const { ids, labels } = encodeExample(pair("one", " two"), stories, { trainOnSource: true });
    expect(labels[0]).toBe(IGNORE);
    expect([...labels.slice(1)]).toEqual([...ids.slice(1)]);
    const t = tokenizer("byte-level");
    const bare = encodeExample(pair("one", " two"), t, { trainOnSource: true });
    expect([...bare.labels]).toEqual([...bare.ids]);
  });

  test("maxLength truncates or drops, and both are counted", () => {
    const long = pair("one two three four", " five six seven eight nine ten");
    const short = pair("a", " b");
    const far = pair("one two three four five six seven eight nine ten eleven twelve thirteen", " x");
    const none: Example = { kind: "messages", messages: [{ role: "user", content: "?" }] };
    const whole = encodeExample(long, stories);
    const examples = [long, short, far, none].map((x, i) => ({ ...x, origin: { path: "d.jsonl", line: i + 1 } }));
    const maxLength = whole.ids.length - 2;
    const cut = encodeDataset(examples, stories, { maxLength });
    expect(cut.report).toMatchObject({ total: 4, kept: 2, truncated: 1, tooLong: 1, labelFree: 1, sequences: 2 });
    expect([...cut.examples[0]!.ids]).toEqual([...whole.ids.slice(0, maxLength)]);
    expect(cut.report.dropped).toEqual([
      { example: 2, line: 3, reason: "tooLong" },
      { example: 3, line: 4, reason: "labelFree" },
    ]);
    const dropped = encodeDataset(examples, stories, { maxLength, onTooLong: "drop" });
    expect(dropped.report).toMatchObject({ total: 4, kept: 1, truncated: 0, tooLong: 2, labelFree: 1 });
    expect(dropped.examples.map((x) => x.example)).toEqual([1]);
  });

  test("a wrong maxLength", () => {
    for (const maxLength of [0, 1, 1.5, Number.NaN, -3]) {
      expect(() => encodeDataset([pair("a", "b")], stories, { maxLength })).toThrow(RangeError);
    }
  });

  test("numbers of the report add up", () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.tuple(fc.string({ maxLength: 30 }), fc.string({ maxLength: 30 }), fc.constantFrom("pair", "user", "text")),
          { minLength: 1 },
        ),
        fc.integer({ min: 4, max: 40 }),
        fc.constantFrom("truncate" as const, "drop" as const),
        (rows, maxLength, onTooLong) => {
          const examples = rows.map(([a, b, kind]): Example => {
            if (kind === "pair") return pair(a, b);
            return kind === "text"
              ? { kind: "text", text: a + b }
              : { kind: "messages", messages: [{ role: "user", content: a }] };
          });
          let result: ReturnType<typeof encodeDataset>;
          try {
            result = encodeDataset(examples, stories, { maxLength, onTooLong });
          } catch (error) {
            expect(error).toMatchObject({ code: "NO_TARGETS" });
            return;
          }
          const { report, examples: out } = result;
          expect(report.total).toBe(rows.length);
          expect(report.kept + report.tooLong + report.labelFree).toBe(report.total);
          expect(report.dropped.length).toBe(report.tooLong + report.labelFree);
          expect(new Set(out.map((x) => x.example)).size).toBe(report.kept);
          expect(report.sequences).toBe(out.length);
          expect(report.tokens).toBe(out.reduce((n, x) => n + x.ids.length, 0));
          expect(report.targetTokens).toBe(out.reduce((n, x) => n + countTargets(x.labels), 0));
          for (const { ids, labels } of out) {
            expect(ids.length).toBeLessThanOrEqual(maxLength);
            expect(countTargets(labels)).toBeGreaterThan(0);
          }
        },
      ),
      { numRuns: 150 },
    );
  });
});

describe("text", () => {
  const text = "One day, a girl named Lily went to the park. She saw a big red ball and wanted to play.";
  const windows = (name: string, maxLength: number): EncodedExample[] =>
    encodeDataset([{ kind: "text", text }], tokenizer(name), { maxLength }).examples;

  test("each window begins with BOS, EOS ends the document, every token is learnt once", () => {
    const whole = [...stories.encode(text, { addSpecial: false }), stories.eos!];
    const got = windows("stories260K", 10);
    expect(got.every((x) => x.ids[0] === stories.bos && x.labels[0] === IGNORE && x.ids.length <= 10)).toBe(true);
    expect(got.flatMap(learnt)).toEqual(whole);
  });

  test("without BOS a window begins with the last token before it", () => {
    const t = tokenizer("byte-level");
    const whole = [...t.encode(text), t.eos!];
    const got = windows("byte-level", 10);
    expect(got.flatMap((x) => [...x.labels.slice(1)])).toEqual(whole.slice(1));
    got.slice(1).forEach((x, i) => {
      expect(x.ids[0]).toBe(got[i]!.ids.at(-1));
    });
  });

  test("no limit: one sequence", () => {
    const { ids, labels } = encodeExample({ kind: "text", text }, stories);
    expect([...ids]).toEqual([...stories.encode(text), stories.eos]);
    expect(countTargets(labels)).toBe(ids.length - 1);
  });

  test("parts of a document make the ids of the whole", () => {
    for (const name of ["stories260K", "metaspace", "byte-level", "llama3"]) {
      const t = tokenizer(name);
      const at = text.indexOf(" went");
      const parts: Example[] = [
        { kind: "text", text: text.slice(0, at), part: "first" },
        { kind: "text", text: text.slice(at), part: "last" },
      ];
      const got = encodeDataset(parts, t).examples.flatMap((x) => [...x.ids].slice(t.prefix.length));
      expect(got).toEqual([...t.encode(text, { addSpecial: false }), t.eos]);
    }
  });

  test("encodeExample refuses text that needs windows", () => {
    expect(
      dataError("NO_TARGETS", () => encodeExample({ kind: "text", text }, stories, { maxLength: 10 })).message,
    ).toMatch(/windows/);
    expect(() => encodeDataset([{ kind: "text", text }], stories, { maxLength: 2 })).not.toThrow();
  });
});

describe("nothing to learn", () => {
  test("a dataset without targets says why", () => {
    const user: Example = {
      kind: "messages",
      messages: [{ role: "user", content: "?" }],
      origin: { path: "d.jsonl", line: 1 },
    };
    const error = dataError("NO_TARGETS", () => encodeDataset([user, user], stories));
    expect(error.message).toBe(
      "d.jsonl: none of the 2 examples can be trained on: 2 have no assistant turn, completion or output",
    );
    expect(
      dataError("NO_TARGETS", () => encodeDataset([pair("a long enough prompt", "b")], stories, { maxLength: 4 }))
        .message,
    ).toMatch(/within 4 tokens/);
    dataError("EMPTY_FILE", () => encodeDataset([], stories));
    dataError("NO_TARGETS", () => encodeExample(user, stories));
  });
});

test("encodeExamplePrompt: what stands before the answer", () => {
  const examples: Example[] = [
    { kind: "messages", messages: chat("Q", "A", "Q2", "A2") },
    { kind: "messages", messages: chat("Q") },
    { kind: "instruction", instruction: "i", input: "x", output: "o" },
    pair("p", " c"),
  ];
  const text = examples.map((x) => stories.decode(encodeExamplePrompt(x, stories)));
  expect(text[0]).toBe("### Human: Q ### Assistant: A ### Human: Q2 ### Assistant:");
  expect(text[1]).toBe("### Human: Q ### Assistant:");
  expect(text[2]).toMatch(/### Input:\nx\n\n### Response:$/);
  expect(text[3]).toBe("p");
  for (const example of [examples[0]!, examples[2]!, examples[3]!]) {
    const prompt = encodeExamplePrompt(example, stories);
    expect([...encodeExample(example, stories).ids.slice(0, prompt.length)]).toEqual([...prompt]);
  }
  expect([...encodeExamplePrompt({ kind: "text", text: "t" }, stories)]).toEqual([...stories.encode("t")]);
});

describeShared(
  "real data",
  ["data/alpaca_en_demo.json", "data/oasst1_messages.jsonl", "tokenizers/gpt-neox/tokenizer.json"],
  () => {
    test.each([
      ["alpaca_en_demo.json", "stories260K"],
      ["alpaca_en_demo.json", "gpt-neox"],
      ["oasst1_messages.jsonl", "stories260K"],
      ["oasst1_messages.jsonl", "gpt-neox"],
    ])("%s with %s: every prompt begins its sequence, every answer is learnt", (file, name) => {
      const t = tokenizer(name);
      const examples = readDataset(`${SHARED}/data/${file}`);
      const { examples: encoded, report } = encodeDataset(examples, t);
      expect(report).toMatchObject({ total: examples.length, kept: examples.length, truncated: 0 });
      for (const { ids, labels, example } of encoded) {
        const prompt = encodeExamplePrompt(examples[example]!, t);
        expect(ids.subarray(0, prompt.length)).toEqual(prompt);
        expect(labels[prompt.length - 1]).toBe(IGNORE);
        expect(labels.subarray(prompt.length)).toEqual(ids.subarray(prompt.length));
        const source = examples[example]!;
        const answer =
          source.kind === "instruction"
            ? source.output
            : source.kind === "messages"
              ? source.messages.at(-1)!.content
              : "";
        // gpt-neox normalises to NFC.
        expect(t.decode(ids.subarray(prompt.length)).trim()).toBe(
          answer.normalize(name === "gpt-neox" ? "NFC" : undefined).trim(),
        );
        expect(ids.at(-1)).toBe(t.eos);
      }
    });
  },
);
