// Reading ratings: whose score is whose, layouts, failed parses, bad files.
import fc from "fast-check";
import { expect, test } from "vitest";
import { eloFromRatings, readRatings, relativeFromRatings, relativeScores } from "../src/index.js";
import { parseRatingFileName, systemName } from "../src/ratings/names.js";
import { orderOfScores } from "../src/ratings/owners.js";
import { failure, folder, jsonl, record } from "./shared.js";

test("file names", () => {
  const name = (s: string) => Object.values(parseRatingFileName(s) ?? {});
  expect(name("gpt-3.5-vs-gpt4-gpt4-reviewer.jsonl")).toEqual(["ChatGPT", "GPT-4"]);
  expect(name("gpt4-vs-gpt-3.5-gpt4-reviewer.jsonl")).toEqual(["GPT-4", "ChatGPT"]);
  const sampled = "vicuna-generations-topp0.9-temp0.7";
  expect(name(`30b-guanaco-${sampled}-vs-answer-vicuna-13b-gpt-4-reviewer-threeclass.jsonl`)).toEqual([
    "Guanaco 33B",
    "Vicuna 13B",
  ]);
  expect(name(`gpt-3.5-vs-13b-unnatural-instructions-${sampled}-gpt4-reviewer.jsonl`)).toEqual([
    "ChatGPT",
    "Unnatural Instructions 13B",
  ]);
  expect(name("notes.jsonl")).toEqual([]);
  expect(systemName("my-model")).toBe("my-model");
  expect(systemName("7b-constructor")).toBe("7b-constructor");
});

// Each file: [left, right, rows of (question, answer1, answer2)].
const file = (left: string, right: string, ...rows: [number, string, string][]) => ({
  left,
  right,
  rows: rows.map(([question, answer1, answer2]) => ({ question, answer1, answer2 })),
});

test("the order of the scores follows from the answer ids", () => {
  expect(orderOfScores([file("ref", "a", [1, "r1", "a1"]), file("ref", "b", [1, "b1", "r1"])])).toEqual([
    "as named",
    "inverted",
  ]);
  // One opponent only: the shared id could be either's.
  expect(orderOfScores([file("ref", "a", [1, "r1", "a1"]), file("a", "ref", [1, "a1", "r1"])])).toEqual([
    "unknown",
    "unknown",
  ]);
  // a's answer was generated anew between the two files; the id they share is ref's.
  const anew = [
    file("ref", "a", [1, "a1", "r1"]),
    file("a", "ref", [1, "r1", "a2"]),
    file("ref", "b", [1, "b1", "r1"]),
  ];
  expect(orderOfScores(anew)).toEqual(["inverted", "inverted", "inverted"]);
  // Two systems gave the same text.
  const same = [file("ref", "a", [1, "r1", "x"], [2, "r2", "a2"]), file("b", "ref", [1, "r1", "x"], [2, "r2", "b2"])];
  expect(orderOfScores(same)).toEqual(["as named", "inverted"]);
  const mixed = [
    file("ref", "a", [1, "r1", "a1"], [2, "a2", "r2"]),
    file("ref", "b", [1, "b1", "r1"], [2, "b2", "r2"]),
  ];
  expect(orderOfScores(mixed)).toEqual(["contradictory", "inverted"]);
});

test("any assignment of orders is recovered", () => {
  fc.assert(
    fc.property(fc.array(fc.boolean(), { minLength: 3, maxLength: 12 }), (inverted) => {
      const files = inverted.map((turn, i) => {
        const rows = [1, 2, 3].map((q) => (turn ? [q, `s${i}q${q}`, `r${q}`] : [q, `r${q}`, `s${i}q${q}`])) as [
          number,
          string,
          string,
        ][];
        return file("ref", `s${i}`, ...rows);
      });
      expect(orderOfScores(files)).toEqual(inverted.map((turn) => (turn ? "inverted" : "as named")));
    }),
  );
});

test("a folder of the released kind: kinds, order, failed parses, other files", () => {
  const dir = folder({
    "relative/7b-alpaca-vicuna-generations-x-vs-gpt-3.5-gpt4-reviewer.jsonl": jsonl([
      record(1, "c1", "a1", [9, 6]),
      record(2, "c2", "a2", [-1, -1]),
    ]),
    "relative/gpt-3.5-vs-bard-gpt4-reviewer.jsonl": jsonl([
      record(1, "c1", "b1", [8, 8.5]),
      record(2, "c2", "b2", [0, 7]),
    ]),
    "pairwise/answer-bard-vs-answer-gpt35-gpt-4-reviewer-threeclass.jsonl": `\n${jsonl([
      record(1, "b1", "c1", 1),
      record(2, "b2", "c2", -1),
      record(3, "b3", "c3", 3),
    ])}`,
    "questions.jsonl": jsonl([{ question_id: 1, text: "?" }]),
    "notes.txt": "not read",
  });
  const { relative, pairwise, ignored } = readRatings(dir);
  expect(relative.map((f) => [f.first, f.second, f.inverted, f.orderFrom])).toEqual([
    ["ChatGPT", "Alpaca 7B", true, "answer ids"],
    ["ChatGPT", "Bard", false, "answer ids"],
  ]);
  expect(relative[0]!.rows[1]).toEqual({ question: 2, score1: null, score2: null });
  expect(relative[1]!.rows[1]).toEqual({ question: 2, score1: 0, score2: 7 });
  expect(pairwise).toMatchObject([
    { first: "Bard", second: "ChatGPT", verdicts: [{ verdict: 1 }, { verdict: null }, { verdict: 3 }] },
  ]);
  expect(ignored.map((p) => p.slice(dir.length + 1))).toEqual(["questions.jsonl"]);
  expect(relativeScores(relative).scores.map((s) => [s.system, s.referenceFirst, s.systemFirst])).toEqual([
    ["Bard", (100 * 15.5) / 8, null],
    ["Alpaca 7B", (100 * 6) / 9, null],
  ]);
});

test("without answer ids the naming rule of the release decides", () => {
  const score = [{ question_id: 1, score: [9, 6] }];
  const dir = folder({
    "7b-alpaca-vicuna-generations-x-vs-gpt-3.5-gpt4-reviewer.jsonl": jsonl(score),
    "gpt-3.5-vs-bard-gpt4-reviewer.jsonl": jsonl(score),
  });
  expect(readRatings(dir).relative.map((f) => [f.first, f.second, f.orderFrom])).toEqual([
    ["ChatGPT", "Alpaca 7B", "naming rule"],
    ["ChatGPT", "Bard", "naming rule"],
  ]);
});

test("unreadable replies can be read again", () => {
  const text = "Assistant 2 is wrong.\n\nScores:\nAssistant 1: 10\nAssistant 2: 2";
  const dir = folder({
    "a-vs-b-gpt4-reviewer.jsonl": jsonl([record(1, "x", "y", [-1, -1], text)]),
    "b-vs-a-gpt-4-reviewer-threeclass.jsonl": jsonl([
      record(1, "y", "x", -1, "So I choose option 2, as"),
      record(2, "y", "x", -1, "error"),
    ]),
  });
  expect(readRatings(dir).relative[0]!.rows[0]).toMatchObject({ score1: null });
  const again = readRatings(dir, { recover: true });
  expect(again.relative[0]!.rows[0]).toEqual({ question: 1, score1: 10, score2: 2 });
  expect(again.pairwise[0]!.verdicts.map((v) => v.verdict)).toEqual([2, null]);
});

test("bad files are refused with file and line", async () => {
  const name = "a-vs-b-gpt4-reviewer.jsonl";
  const bad = (text: string) => () => readRatings(folder({ [name]: text }));
  expect((await failure("BAD_JSON", bad(`${jsonl([record(1, "x", "y", 1)])}{"question_id": 2`))).message).toMatch(
    /reviewer\.jsonl:2: is not JSON/,
  );
  await failure("BAD_JSON", bad('{"score": 1}\n[1]\n'));
  expect((await failure("BAD_RATING", bad(jsonl([record(1, "x", "y", 4)])))).line).toBe(1);
  await failure("BAD_RATING", bad(jsonl([record(1, "x", "y", [11, 2])])));
  await failure("BAD_RATING", bad(jsonl([record(1, "x", "y", [1])])));
  await failure("BAD_RATING", bad(jsonl([record(1, "x", "y", ["9", 8])])));
  await failure("BAD_RATING", bad(jsonl([{ score: 1 }])));
  await failure("BAD_NAMES", () => readRatings(folder({ "ratings.jsonl": jsonl([record(1, "x", "y", 1)]) })));
  await failure("NO_RATINGS", () => readRatings(folder({ "q.jsonl": jsonl([{ text: "?" }]) })));
  await failure("NOT_FOUND", () => readRatings("/nowhere/at/all"));
  await failure("NO_RATINGS", () => eloFromRatings(folder({ [name]: jsonl([record(1, "x", "y", [1, 2])]) })));
  await failure("BAD_NAMES", () => relativeFromRatings(folder({ [name]: jsonl([record(1, "x", "y", [1, 2])]) })));
  const twice = [record(1, "x", "y", [1, 2]), record(1, "x", "y", [1, 2])];
  await failure("BAD_RATING", () => relativeFromRatings(folder({ [name]: jsonl(twice) }), { reference: "a" }));
  const compact = (relative: unknown, pairwise: unknown) => () =>
    readRatings(folder({ "r.json": JSON.stringify({ format: "qlora-eval-ratings-1", relative, pairwise }) }));
  await failure("BAD_RATING", compact(1, []));
  await failure("BAD_RATING", compact([], [{ file: "f", first: "a", second: "b", verdicts: "1 2" }]));
  await failure("BAD_RATING", compact([{ file: "f", first: "a", second: "b", scores: "8 9,8 99" }], []));
  await failure("BAD_RATING", compact([{ file: "f", first: "a" }], []));
});
