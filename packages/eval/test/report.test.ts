// The HTML report: self-contained, escaped, complete, and stable.
import { expect, test } from "vitest";
import {
  type ChoiceResult,
  eloClaims,
  eloFromRatings,
  evaluateChoices,
  type PerplexityResult,
  relativeClaims,
  relativeFromRatings,
  renderReport,
} from "../src/index.js";
import { linear, ticks } from "../src/report/svg.js";
import { folder, golden, jsonl } from "./shared.js";

const ratings = golden("vicuna-ratings.json");
const relative = relativeFromRatings(ratings);
const elo = eloFromRatings(ratings, { orderings: 400, resamples: 40 });
const perplexity: PerplexityResult = {
  perplexity: 54.5,
  nll: 3.998,
  bitsPerByte: 3.677,
  tokens: 765,
  unscored: 0,
  bytes: 1200,
  documents: 1,
  windows: 2,
  window: 512,
  stride: 256,
};
const choices = async (): Promise<ChoiceResult> =>
  evaluateChoices(
    ["algebra", "botany"].flatMap((subject) =>
      [0, 1, 2].map((answer) => ({
        id: `${subject}${answer}`,
        subject,
        question: "?",
        choices: ["x", "y", "z"],
        answer,
      })),
    ),
    {
      encode: (text) => [...text].map((c) => c.charCodeAt(0)),
      nextTokenLogits: () => Float32Array.from({ length: 128 }, (_, i) => -i),
      logLikelihood: () => 0,
    },
  );

/** Tags that are opened and not closed, or closed and not opened. */
function unbalanced(html: string): string[] {
  const open: string[] = [];
  for (const [, slash, name, rest] of html.matchAll(/<(\/?)([a-zA-Z][\w]*)((?:"[^"]*"|[^">])*)>/g)) {
    if (slash === "/") {
      if (open.pop() !== name) return [name!];
    } else if (!rest!.endsWith("/") && !["meta", "br"].includes(name!)) open.push(name!);
  }
  return open;
}

test("all sections, self-contained and well-formed", async () => {
  const html = renderReport({
    title: "Vicuna benchmark",
    subtitle: "qlora eval",
    relative,
    elo,
    claims: [...relativeClaims(relative), ...eloClaims(elo)],
    choices: [{ name: "base", result: await choices() }],
    perplexity: [{ name: "base", result: perplexity }],
  });
  expect(unbalanced(html.replace("<!doctype html>", ""))).toEqual([]);
  expect([...html.matchAll(/<h2>(.*?)<\/h2>/g)].map((m) => m[1])).toEqual([
    "Relative scores",
    "Elo",
    "Multiple choice",
    "Perplexity",
    "Claims",
  ]);
  expect([...html.matchAll(/<svg[^>]*role="img"/g)].length).toBe(6);
  expect(html).not.toMatch(/<script|<img|<link|@import|url\(|https?:|src=/i);
  expect(html).not.toMatch(/NaN|undefined|Infinity|\[object/);
  for (const system of ["Guanaco 65B", "GPT-4", "Self-Instruct 13B"]) expect(html).toContain(system);
  expect(html.length).toBeLessThan(200_000);
});

test("sections without results are left out", () => {
  const html = renderReport({ perplexity: [{ name: "x", result: { ...perplexity, bitsPerByte: null } }] });
  expect(html).not.toContain("Elo");
  expect(html).toContain("<title>Evaluation</title>");
});

test("names are escaped everywhere", () => {
  const evil = `<script>alert("x")</script>&'`;
  const dir = folder({
    "pairs.jsonl": jsonl(
      [1, 2, 3, 1].map((score, i) => ({ question_id: i, system1: evil, system2: "b", mode: "pairwise", score })),
    ),
    "scores.jsonl": jsonl([{ question_id: 1, system1: evil, system2: "b", mode: "relative", score: [8, 9] }]),
  });
  const html = renderReport({
    title: evil,
    subtitle: evil,
    elo: eloFromRatings(dir, { orderings: 10, resamples: 10 }),
    relative: relativeFromRatings(dir, { reference: "b" }),
    perplexity: [{ name: evil, result: perplexity }],
    claims: [{ claim: evil, paper: 1, ours: 1, difference: 0, tolerance: 0, holds: true, note: evil }],
  });
  expect(html).not.toMatch(/<script|alert\("/);
  expect(html).toContain("&#60;script&#62;");
  expect(html).not.toMatch(/NaN|undefined|Infinity/);
  expect(unbalanced(html.replace("<!doctype html>", ""))).toEqual([]);
});

test("scales and ticks", () => {
  expect([0, 5, 10].map(linear(0, 10, 100, 200))).toEqual([100, 150, 200]);
  expect(linear(3, 3, 5, 9)(3)).toBe(5);
  expect(ticks(0, 100, 5)).toEqual([0, 20, 40, 60, 80, 100]);
  expect(ticks(-0.3, 0.31, 6)).toEqual([-0.2, 0, 0.2]);
  expect(ticks(7, 7)).toEqual([7]);
});
