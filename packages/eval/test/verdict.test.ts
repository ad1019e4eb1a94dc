// What the judge is asked, and how its replies are read.
import { expect, test } from "vitest";
import { judgeMessages, parseScores, parseVerdict } from "../src/index.js";

test("prompts hold question and answers in order; coding and math have their own focus", () => {
  const [system, user] = judgeMessages("pairwise", { question: "Q?", first: "one", second: "two" });
  expect(user!.content).toBe(
    "=== Question ===\nQ?\n\n=== First answer ===\none\n\n=== Second answer ===\ntwo\n\n=== End ===",
  );
  expect(system!.content).toMatch(/1 if the first answer is better, 2 if the second is better, 3 if neither/);
  const focus = (category?: string) =>
    judgeMessages("relative", { question: "", first: "", second: "", category })[0]!.content;
  expect(new Set([focus(), focus("coding"), focus("math")]).size).toBe(3);
  expect([focus("roleplay"), focus("constructor")]).toEqual([focus(), focus()]);
});

test("verdicts and scores are read, or null", () => {
  const verdicts = [
    "fine\n\n2",
    "**Verdict: 1**",
    "[[3]]",
    "Final verdict: 2.",
    "so I choose 3 because",
    "4",
    "both 1 and 2",
    "1\nbecause",
    "",
  ];
  expect(verdicts.map(parseVerdict)).toEqual([2, 1, 3, 2, 3, null, null, null, null]);
  const scores: [string, [number, number] | null][] = [
    ["text\n8 9.5", [8, 9.5]],
    ["9 8\nexplanation first", [9, 8]],
    ["f(2) = 3\nScores: 7, 6", [7, 6]],
    ["8/10 and 9/10", [8, 9]],
    ["The output tuple is (2, 10).", [2, 10]],
    ["Assistant 1: 10\nAssistant 2: 1 (wrong)", [10, 1]],
    ["I give Assistant 1 a score of 4 and Assistant 2 a score of 10.", [4, 10]],
    ["the point (2, -2) and (10, 4)", null],
    ["11 3", null],
    ["8", null],
    ["", null],
  ];
  for (const [reply, expected] of scores) expect(parseScores(reply), reply).toEqual(expected);
});

test("a hostile reply costs no time", () => {
  const start = performance.now();
  for (const text of [
    "Assistant 1: 5".padEnd(2e6, "!"),
    " ".repeat(2e6),
    "1 ".repeat(1e6),
    `Assistant 1: 5${"\n!!! ".repeat(3e5)}`,
  ]) {
    parseScores(text);
    parseVerdict(text);
  }
  expect(performance.now() - start).toBeLessThan(5000);
});
