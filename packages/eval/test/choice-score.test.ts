// Scoring multiple choice with models made by hand: what is asked of the model, and what is made of its numbers.
import { expect, test } from "vitest";
import {
  accuracies,
  evaluateChoices,
  formatChoiceTable,
  letterScores,
  likelihoodScores,
  type Question,
  type Scorer,
} from "../src/index.js";
import { failure } from "./shared.js";

/** One token per character code, vocabulary 128; logits and likelihoods as given. */
function characters(
  logit: (context: string, next: string) => number,
  contextLength?: number,
): Scorer & { asked: string[] } {
  const asked: string[] = [];
  const textOf = (ids: readonly number[]) => String.fromCharCode(...ids);
  return {
    asked,
    ...(contextLength === undefined ? {} : { contextLength }),
    encode: (text) => [...text].map((c) => c.charCodeAt(0)),
    nextTokenLogits: (ids) => {
      asked.push(textOf(ids));
      return Float32Array.from({ length: 128 }, (_, id) => logit(textOf(ids), String.fromCharCode(id)));
    },
    logLikelihood: (prefix, continuation) => {
      asked.push(`${textOf(prefix)}|${textOf(continuation)}`);
      return continuation.reduce(
        (sum, id, i) => sum + logit(textOf([...prefix, ...continuation.slice(0, i)]), String.fromCharCode(id)),
        0,
      );
    },
  };
}

const question = (id: string, subject: string, choices: string[], answer: number): Question => ({
  id,
  subject,
  question: `${id}?`,
  choices,
  answer,
});

test("letter scores are log-probabilities over the letters, asked after 'Answer: '", async () => {
  const scorer = characters((_, next) => ({ A: 1, B: 3, C: 2 })[next] ?? 50);
  const { scores, truncated } = await letterScores(scorer, "Q\nAnswer:", 3);
  const norm = Math.log(Math.exp(1) + Math.exp(2) + Math.exp(3));
  for (const [i, x] of [1, 3, 2].entries()) expect(scores[i]).toBeCloseTo(x - norm, 12);
  expect(truncated).toBe(false);
  expect(scorer.asked).toEqual(["Q\nAnswer: "]); // one call: the space is shared, the letter is what differs
});

test("a tokenizer that merges the space into the letter is asked one token earlier", async () => {
  const merged: Record<string, number> = { A: 200, B: 201 };
  const scorer: Scorer = {
    encode: (text) => {
      const match = /^(.*) ([AB])$/s.exec(text);
      return match
        ? [...[...match[1]!].map((c) => c.charCodeAt(0)), merged[match[2]!]!]
        : [...text].map((c) => c.charCodeAt(0));
    },
    nextTokenLogits: async (ids) => {
      expect(ids.at(-1)).toBe(":".charCodeAt(0));
      return Float32Array.from({ length: 256 }, (_, i) => (i === 201 ? 5 : 0));
    },
    logLikelihood: () => 0,
  };
  const { scores } = await letterScores(scorer, "Answer:", 2);
  expect(scores[1]! - scores[0]!).toBeCloseTo(5, 5);
});

test("a tokenizer that merges the space into some letters only: each letter's own tokens are scored", async () => {
  const scorer: Scorer = {
    // " A" is token 200; " B" and " C" are a space and the letter
    encode: (text) => [...text.replace(/ A$/, "\u00c8")].map((c) => c.charCodeAt(0)),
    nextTokenLogits: () => {
      throw new Error("one token does not tell");
    },
    logLikelihood: (prefix, continuation) => {
      expect(String.fromCharCode(...prefix)).toBe("Answer:");
      return { "200": -3, "32,66": -1, "32,67": -2 }[String(continuation)]!;
    },
  };
  const { scores } = await letterScores(scorer, "Answer:", 3);
  const norm = Math.log(Math.exp(-3) + Math.exp(-1) + Math.exp(-2));
  for (const [i, x] of [-3, -1, -2].entries()) expect(scores[i]).toBeCloseTo(x - norm, 12);
});

test("likelihood: sum over the choice's tokens, per byte, per token or as it is", async () => {
  const scorer = characters((_, next) => (next === " " ? -1 : -2));
  const score = async (normalise: "bytes" | "tokens" | "none") =>
    (await likelihoodScores(scorer, "Answer:", ["ab", "abcd"], normalise)).scores;
  expect(await score("none")).toEqual([-5, -9]);
  expect(await score("bytes")).toEqual([-5 / 2, -9 / 4]);
  expect(await score("tokens")).toEqual([-5 / 3, -9 / 5]);
  expect(scorer.asked[0]).toBe("Answer:| ab");
});

test("accuracy overall, by subject and macro; the first of equals is predicted", async () => {
  const questions = [
    question("a1", "algebra", ["x", "y"], 0),
    question("a2", "algebra", ["x", "y"], 1),
    question("a3", "algebra", ["x", "y"], 0),
    question("b1", "botany", ["x", "y", "z"], 2),
  ];
  const scorer = characters((context, next) => (context.includes("b1?") && next === "C" ? 1 : 0));
  const result = await evaluateChoices(questions, scorer);
  expect(result.predictions.map((p) => p.predicted)).toEqual([0, 0, 0, 2]);
  expect(result.accuracy).toMatchObject({ successes: 3, total: 4, value: 0.75 });
  expect(result.subjects.map((s) => [s.subject, s.value])).toEqual([
    ["algebra", 2 / 3],
    ["botany", 1],
  ]);
  expect(result.macro.value).toBeCloseTo(5 / 6, 12);
  expect(result.loss).toBeCloseTo((3 * Math.log(2) + Math.log((2 + Math.E) / Math.E)) / 4, 10);
  expect(result.macro.low).toBeLessThan(result.macro.value);
  expect(JSON.parse(JSON.stringify(result))).toEqual(result);
  const table = formatChoiceTable(result);
  expect(table).toMatch(/^algebra +66\.7 /m);
  expect(table).toContain("0-shot, letter logit. Mean loss of the right letter");
});

test("the macro interval covers the truth of simulated subjects", () => {
  const predictions = Array.from({ length: 600 }, (_, i) => ({
    subject: `s${i % 6}`,
    answer: 0,
    predicted: i % 7 < 4 ? 0 : 1,
  }));
  const { macro, subjects } = accuracies(predictions);
  expect(macro.high - macro.low).toBeGreaterThan(0.06); // 2 · 1.96 · √(¼/600) = 0.08
  expect(macro.high - macro.low).toBeLessThan(0.1);
  expect(subjects.length).toBe(6);
});

test("the file's prompt is used as it is for the letters, and can be built instead", async () => {
  const q = { ...question("q", "", ["x", "y"], 0), prompt: "PRINTED\nA. x\nB. y\nAnswer:" };
  const scorer = characters(() => 0);
  await evaluateChoices([q], scorer);
  await evaluateChoices([q], scorer, { prompt: "build" });
  await evaluateChoices([q], scorer, { method: "likelihood" });
  expect(scorer.asked.map((a) => a.startsWith("PRINTED"))).toEqual([true, false, false, false]);
});

test("few-shot: examples of the subject, never the question itself, dropped from the end when they do not fit", async () => {
  const pool = ["q", "e1", "e2", "other"].map((id) => question(id, id === "other" ? "x" : "s", ["x", "y"], 1));
  const scorer = characters(() => 0);
  await evaluateChoices([pool[0]!], scorer, { shots: 2, examples: pool });
  expect(scorer.asked[0]).toMatch(/e1\?\nA\. x\nB\. y\nAnswer: B\n\ne2\?.*Answer: B\n\nq\?\n/s);
  const tight = characters(() => 0, scorer.asked[0]!.length - 3);
  const result = await evaluateChoices([pool[0]!], tight, { shots: 2, examples: pool });
  expect(tight.asked[0]).toMatch(/e1\?.*q\?/s);
  expect(tight.asked[0]).not.toContain("e2?");
  expect(result).toMatchObject({ shortened: 1, truncated: 0 });
  await failure("BAD_QUESTION", () => evaluateChoices([pool[0]!], scorer, { shots: 3, examples: pool }));
});

test("a prompt longer than the context is cut at its beginning, and counted", async () => {
  const scorer = characters(() => 0, 20);
  const result = await evaluateChoices([question("a very long question indeed", "", ["x", "y"], 0)], scorer);
  expect(result.truncated).toBe(1);
  expect(scorer.asked[0]!.length).toBe(20);
  expect(scorer.asked[0]).toMatch(/Answer: $/);
  const likely = await evaluateChoices([question("long enough to be cut", "", ["xyz", "y"], 0)], scorer, {
    method: "likelihood",
  });
  expect(likely.truncated).toBe(1);
  expect(scorer.asked.slice(1).every((a) => a.length <= 21)).toBe(true); // 20 tokens and the bar
  await failure("BAD_QUESTION", () =>
    likelihoodScores(scorer, "Q:", ["a choice of more than twenty characters", "b"], "none"),
  );
});

test("a model that breaks its contract is named", async () => {
  const q = [question("q", "", ["x", "y"], 0)];
  expect(
    (
      await failure("BAD_SCORER", () =>
        evaluateChoices(
          q,
          characters(() => Number.NaN),
        ),
      )
    ).message,
  ).toMatch("NaN for choice A");
  await failure("BAD_SCORER", () =>
    evaluateChoices(
      q,
      characters(() => Number.NEGATIVE_INFINITY),
    ),
  );
  const short: Scorer = { ...characters(() => 0), nextTokenLogits: () => new Float32Array(60) };
  await failure("BAD_SCORER", () => evaluateChoices(q, short));
  const blind: Scorer = { ...characters(() => 0), encode: (text) => [text.length] };
  expect((await failure("BAD_SCORER", () => evaluateChoices(q, blind))).message).toMatch(
    "does not tell the letters A to B apart",
  );
  await failure("BAD_QUESTION", () =>
    evaluateChoices(
      [],
      characters(() => 0),
    ),
  );
});
