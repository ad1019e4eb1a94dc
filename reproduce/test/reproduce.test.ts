// The parts that decide what is reported and what is measured again; the experiments themselves run as `pnpm reproduce --quick`.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { type Claim, changedVerdicts } from "../src/experiment.js";
import { questionSet, withWrongAnswers } from "../src/experiments/question-set.js";
import { markdown } from "../src/markdown.js";
import { codeErrors } from "../src/measure/code-errors.js";
import { page } from "../src/page.js";
import { keyOf, Results } from "../src/results.js";

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "reproduce-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

const claim = (more: Partial<Claim>): Claim => ({
  claim: "c <1>",
  paper: "1 | 2",
  ours: "1",
  how: "h",
  verdict: "reproduces",
  ...more,
});

test("a verdict that differs from the expected one is a change; absent data is none", () => {
  const unexpected = claim({ verdict: "does not reproduce" });
  const better = claim({ expected: "does not reproduce" });
  const claims = [claim({}), claim({ verdict: "does not reproduce", expected: "does not reproduce" })];
  expect(changedVerdicts([...claims, claim({ verdict: "not measurable here" }), unexpected, better])).toEqual([
    unexpected,
    better,
  ]);
});

test("results are kept by settings and contents, and a damaged one is measured again", async () => {
  const dir = folder();
  const [file, results] = [join(dir, "input"), new Results(join(dir, "kept"))];
  writeFileSync(file, "one");
  const key = keyOf("m", { n: 1 }, [file]);
  expect(keyOf("m", { n: 1 }, [file])).toBe(key);
  expect(keyOf("m", { n: 2 }, [file])).not.toBe(key);
  let measured = 0;
  const measure = () => results.once(key, () => ++measured);
  expect([await measure(), await measure()]).toEqual([1, 1]);
  writeFileSync(join(dir, "kept", `${key}.json`), "{");
  expect(await measure()).toBe(2);
});

test("wrong answers are right in form and of the asked share", () => {
  const items = readFileSync(questionSet(400, 0), "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as { prompt: string; completion: string });
  const noisy = withWrongAnswers(items, 0.5);
  const changed = items.filter((item, i) => noisy[i]!.completion !== item.completion);
  expect(changed.length / items.length).toBeCloseTo(0.5, 1);
  noisy.forEach(({ prompt, completion }, i) => {
    expect(prompt).toBe(items[i]!.prompt);
    expect(completion.split(" ").slice(0, 2)).toEqual(items[i]!.completion.split(" ").slice(0, 2));
  });
  expect(withWrongAnswers(items, 0.5)).toEqual(noisy);
});

test("errors of the codebooks on normal numbers are those of the reference", () => {
  const [normal] = codeErrors(2 ** 16, []);
  const absolute = (name: string) => normal!.errors[name]!.absolute;
  // Of 12.8 million samples in another program: NF4 0.0728, E2M1 0.0803, Int4 0.0913, FP4 0.0965, E3M0 0.1308.
  const expected = { NF4: 0.0728, E2M1: 0.0803, Int4: 0.0913, FP4: 0.0965, E3M0: 0.1308 };
  for (const [name, value] of Object.entries(expected)) expect(absolute(name), name).toBeCloseTo(value, 3);
});

test("the report escapes what it prints, in both forms", () => {
  const chapter = { title: "A & B", claims: [claim({ verdict: "does not reproduce", note: "seen" })], details: [] };
  const facts = { title: "T", text: "x", measured: "m", counts: { reproduces: 0, "does not reproduce": 1 } };
  expect(markdown([chapter], facts)).toContain("| c <1> | 1 \\| 2 | 1 | h | does not reproduce: seen |");
  const html = page([chapter], facts);
  expect(html).toContain("c &#60;1&#62;");
  expect(html).toContain("does not reproduce: seen");
});
