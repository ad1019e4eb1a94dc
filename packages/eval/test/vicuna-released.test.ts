// The released rating files themselves: the reader against the compact fixture, the reply parsers, and what the files hide.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import {
  eloFromRatings,
  parseScores,
  parseVerdict,
  readJudgeQuestions,
  readRatings,
  relativeFromRatings,
} from "../src/index.js";
import { describeShared, golden, SHARED } from "./shared.js";

const vicuna = join(SHARED, "data/vicuna");
const records = (dir: string) =>
  readdirSync(join(vicuna, dir)).flatMap((name) =>
    readFileSync(join(vicuna, dir, name), "utf8")
      .trimEnd()
      .split("\n")
      .map((line) => ({ name, ...JSON.parse(line) })),
  );

describeShared("released ratings", ["data/vicuna/pairwise", "data/vicuna/relative-gpt-3.5"], () => {
  test("read the same as the compact fixture, which another program made", () => {
    const strip = <T extends { file: string; orderFrom: string }>(files: T[]) =>
      files
        .map(({ orderFrom, file, ...rest }) => ({ ...rest, orderFrom }))
        .map((f) => JSON.stringify(f))
        .sort();
    const released = readRatings(vicuna);
    const compact = readRatings(golden("vicuna-ratings.json"));
    expect(strip(released.relative)).toEqual(strip(compact.relative));
    expect(strip(released.pairwise)).toEqual(strip(compact.pairwise));
    expect(released.ignored.map((p) => p.slice(vicuna.length + 1))).toEqual(["questions.jsonl"]);
  });

  test("the subfolder alone gives the same Elo", () => {
    const options = { orderings: 50, resamples: 20 };
    expect(eloFromRatings(join(vicuna, "pairwise"), options)).toEqual(eloFromRatings(vicuna, options));
  });

  test("every published score is read from its reply, and of the 73 published as unreadable 63 are read", () => {
    const tally = { agree: 0, differ: 0, recovered: 0, unread: 0 };
    for (const { score, text } of records("relative-gpt-3.5")) {
      const read = parseScores(text);
      if (score[0] >= 0) tally[read?.[0] === score[0] && read?.[1] === score[1] ? "agree" : "differ"]++;
      else tally[read ? "recovered" : "unread"]++;
    }
    expect(tally).toEqual({ agree: 5700, differ: 0, recovered: 60, unread: 0 });
    const pairwise = { agree: 0, differ: 0, recovered: 0, unread: 0 };
    for (const { score, text } of records("pairwise")) {
      const read = parseVerdict(text);
      if (score > 0) pairwise[read === score ? "agree" : "differ"]++;
      else pairwise[read ? "recovered" : "unread"]++;
    }
    expect(pairwise).toEqual({ agree: 4467, differ: 0, recovered: 3, unread: 10 });
  });

  test("all 60 unreadable relative replies are on questions 68 to 70; read again, they lower weak systems", () => {
    const failed = records("relative-gpt-3.5").filter((r) => r.score[0] < 0);
    expect([68, 69, 70].map((q) => failed.filter((r) => r.question_id === q).length)).toEqual([20, 20, 20]);
    const again = relativeFromRatings(vicuna, { recover: true });
    expect(again.unparseable).toBe(0);
    const column = (report: typeof again, system: string) =>
      report.systems.find((s) => s.system === system)!.referenceFirst!;
    const published = relativeFromRatings(vicuna);
    for (const system of ["Alpaca 13B", "Self-Instruct 13B"]) {
      expect(column(again, system)).toBeLessThan(column(published, system) - 0.5);
    }
  });

  test("FLAN v2 13B and HH-RLHF 13B gave other answers in the one order than in the other", () => {
    const all = records("relative-gpt-3.5");
    const occurs = new Map<string, number>();
    for (const r of all)
      for (const id of [r.answer1_id, r.answer2_id])
        occurs.set(`${r.question_id} ${id}`, (occurs.get(`${r.question_id} ${id}`) ?? 0) + 1);
    const answers = new Map<string, Set<string>>();
    for (const r of all) {
      const own = occurs.get(`${r.question_id} ${r.answer1_id}`) === 72 ? r.answer2_id : r.answer1_id;
      const system = r.name
        .replace(/-gpt4-reviewer.jsonl$/, "")
        .split("-vs-")
        .find((n: string) => n !== "gpt-3.5");
      const key = `${system} ${r.question_id}`;
      answers.set(key, (answers.get(key) ?? new Set()).add(own));
    }
    const several = new Set([...answers].filter(([, ids]) => ids.size > 1).map(([key]) => key.split("-vicuna")[0]));
    expect([...several].sort()).toEqual(["13b-flan", "13b-hh-rlhf"]);
  });

  test("the question file", () => {
    const questions = readJudgeQuestions(join(vicuna, "questions.jsonl"));
    expect(questions.length).toBe(80);
    expect(new Set(questions.map((q) => q.category)).size).toBe(9);
  });
});
