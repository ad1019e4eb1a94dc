// Multiple-choice files: CSV, the MMLU layouts, the generic layout, prompts; and the real MMLU validation questions.

import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { parseCsv } from "../src/choice/csv.js";
import { parsePrompt } from "../src/choice/mmlu-prompt.js";
import { buildPrompt, type Question, readQuestions } from "../src/index.js";
import { describeShared, failure, folder, jsonl, SHARED } from "./shared.js";

const cells = (text: string) => parseCsv(text, "x.csv").map((row) => row.cells);

test("CSV: quotes, commas, line ends inside cells", () => {
  expect(cells('a,b\r\n"c,d","e ""f""\n g"\n\n,\nlast')).toEqual([
    ["a", "b"],
    ["c,d", 'e "f"\n g'],
    ["", ""],
    ["last"],
  ]);
  expect(parseCsv('"1\n2",x\ny', "x.csv").map((row) => row.line)).toEqual([1, 3]);
  expect(cells("")).toEqual([]);
});

test("CSV: what is written quoted is read back", async () => {
  const row = fc.array(fc.string({ unit: fc.constantFrom("a", '"', ",", "\n", "\r", " ", "é") }), {
    minLength: 2,
    maxLength: 5,
  });
  fc.assert(
    fc.property(fc.array(row, { minLength: 1, maxLength: 5 }), (rows) => {
      const text = rows.map((r) => r.map((c) => `"${c.replaceAll('"', '""')}"`).join(",")).join("\r\n");
      expect(cells(text)).toEqual(rows);
    }),
  );
  expect((await failure("BAD_QUESTION", () => parseCsv('a\n"b,c\n', "x.csv"))).message).toBe(
    "x.csv:2: a quote is never closed",
  );
});

test("MMLU CSV folder: subjects from file names, header or none, letters", () => {
  const dir = folder({
    "astronomy_dev.csv": '"What is, roughly, 1 + 1?",1,2,3,4,B\nSecond?,w,x,y,z,D\n',
    "college_physics_test.csv": "question,A,B,C,D,answer\nThird?,p,q,r,s,A\n",
    "README.md": "not read",
  });
  expect(readQuestions(dir)).toEqual([
    {
      id: "astronomy_dev.csv:1",
      subject: "astronomy",
      question: "What is, roughly, 1 + 1?",
      choices: ["1", "2", "3", "4"],
      answer: 1,
    },
    { id: "astronomy_dev.csv:2", subject: "astronomy", question: "Second?", choices: ["w", "x", "y", "z"], answer: 3 },
    {
      id: "college_physics_test.csv:2",
      subject: "college_physics",
      question: "Third?",
      choices: ["p", "q", "r", "s"],
      answer: 0,
    },
  ]);
});

test("generic layout: index, letter or text; JSON array or lines; any number of choices", () => {
  const base = { question: "Q?", choices: ["no", "yes", "B"] };
  const dir = folder({
    "a.json": JSON.stringify([
      { ...base, answer: 2, subject: "s" },
      { ...base, answer: "yes" },
    ]),
    "b.jsonl": jsonl([
      { ...base, answer: "b" },
      { question: "T", choices: [1, 2], answer: "2" },
    ]),
  });
  const questions = readQuestions(dir);
  expect(questions.map((q) => [q.subject, q.answer])).toEqual([
    ["s", 2],
    ["", 1],
    ["", 1],
    ["", 1],
  ]);
  expect(questions[3]!.choices).toEqual(["1", "2"]);
});

test("bad questions are refused with file and line", async () => {
  const bad = async (name: string, text: string) =>
    (await failure("BAD_QUESTION", () => readQuestions(join(folder({ [name]: text }), name)))).message;
  const generic = { question: "Q", choices: ["a", "b"], answer: 0 };
  expect(await bad("q.jsonl", jsonl([generic, { ...generic, answer: 2 }]))).toMatch(
    /q\.jsonl:2: the answer is none of the choices/,
  );
  expect(await bad("q.jsonl", jsonl([{ ...generic, answer: "c" }]))).toMatch("none of the choices");
  expect(await bad("q.jsonl", jsonl([{ ...generic, choices: ["a"] }]))).toMatch("needs 2 to 26 choices, has 1");
  expect(await bad("q.jsonl", jsonl([{ question: "Q" }]))).toMatch("needs question and choices");
  expect(await bad("q.jsonl", jsonl([{ input: "no choices. Answer:", output: "A" }]))).toMatch("no choices A., B., …");
  expect(await bad("q.jsonl", jsonl([{ input: "Q\nA. x\nB. y\nAnswer:", output: "C" }]))).toMatch(
    "none of the choices",
  );
  expect(await bad("q.csv", "only,three,cells\n")).toMatch("q.csv:1: a row is question");
  expect(await bad("q.jsonl", "\n")).toMatch("holds no questions");
  await failure("NOT_FOUND", () => readQuestions("/nowhere"));
});

const question = (subject: string, text: string, choices: string[], answer: number): Question => ({
  id: text,
  subject,
  question: text,
  choices,
  answer,
});
const example = question("high_school_physics", "Is it?", ["Yes", "No"], 1);

test("prompts: letters with worked examples, cloze", () => {
  const q = question("high_school_physics", "How\nmany?", ["one", "two", "A. three"], 0);
  expect(buildPrompt(q, [example])).toBe(
    "The following are multiple choice questions (with answers) about  high school physics.\n\nIs it?\nA. Yes\nB. No\nAnswer: B\n\nHow\nmany?\nA. one\nB. two\nC. A. three\nAnswer:",
  );
  expect(buildPrompt(question("", "Q", ["a", "b"], 0))).toBe(
    "The following are multiple choice questions (with answers).\n\nQ\nA. a\nB. b\nAnswer:",
  );
  expect(buildPrompt(q, [example], "cloze")).toBe("Question: Is it?\nAnswer: No\n\nQuestion: How\nmany?\nAnswer:");
});

test("a finished prompt is taken apart again, with and without worked examples", () => {
  const text = fc.stringMatching(/^[a-z]{1,8}( [a-z]{1,8}\n?){0,3}[a-z]$/);
  fc.assert(
    fc.property(text, fc.array(text, { minLength: 2, maxLength: 5 }), fc.nat(2), (stem, choices, shots) => {
      const q = question("some_subject", stem, choices, 0);
      const examples = Array(shots).fill(example);
      expect(parsePrompt(buildPrompt(q, examples))).toEqual({ question: stem, choices });
    }),
  );
});

describeShared("MMLU validation questions", ["data/mmlu/zero_shot_mmlu_val.json"], () => {
  test("1,531 questions of 57 subjects; building the prompts anew gives the file's own", () => {
    const questions = readQuestions(join(SHARED, "data/mmlu/zero_shot_mmlu_val.json"));
    expect(questions.length).toBe(1531);
    expect(new Set(questions.map((q) => q.subject)).size).toBe(57);
    expect([0, 1, 2, 3].map((i) => questions.filter((q) => q.answer === i).length)).toEqual([381, 379, 387, 384]);
    for (const q of questions) {
      expect(q.choices.length).toBe(4);
      expect(buildPrompt(q)).toBe(q.prompt);
    }
  });
});
