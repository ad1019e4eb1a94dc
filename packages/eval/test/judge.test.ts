// Judged comparison end to end against a mock judge: answers, both orders, parse failures, resuming, failures, cost, and the
// results file read back as ratings.
import { readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import {
  compareAnswers,
  eloFromRatings,
  formatCost,
  readAnswers,
  readJudgeQuestions,
  readRatings,
  relativeFromRatings,
} from "../src/index.js";
import { mockServer, quick } from "./mock-server.js";
import { failure, folder, jsonl, lines } from "./shared.js";

const questions = [1, 2, 3].map((id) => ({ id, text: `Question ${id}?`, category: id === 3 ? "math" : "generic" }));
const answers = new Map(
  ["strong", "middle", "weak"].map((s) => [s, new Map(questions.map((q) => [q.id, `${s} answer to ${q.id}`]))]),
);
/** Prefers strong to middle to weak; the reply ends as the prompt asks. */
function verdict({ body }: { body: { messages: { content: string }[] } }): string {
  const [, first, second] = body.messages[1]!.content.match(
    /=== First answer ===\n(\w+)[\s\S]*=== Second answer ===\n(\w+)/,
  )!;
  const rank = ["weak", "middle", "strong"];
  const [a, b] = [rank.indexOf(first!), rank.indexOf(second!)];
  if (/scores/.test(body.messages[0]!.content)) return `I compared.\n\n${4 + 2 * a} ${4 + 2 * b}`;
  return `I compared.\n\n${a > b ? 1 : 2}`;
}

test("pairwise: all pairs, both orders, into a file that ranks the systems", async () => {
  const server = await mockServer(async (seen) => {
    await sleep(10);
    return verdict(seen);
  });
  const out = join(folder(), "judged/pairs.jsonl");
  const seen: number[] = [];
  const options = {
    mode: "pairwise" as const,
    judge: { ...quick, baseUrl: server.baseUrl, price: { input: 30, output: 60 } },
    out,
    onProgress: (n: number) => seen.push(n),
  };
  const result = await compareAnswers(questions, answers, options);
  expect(result).toEqual({
    comparisons: 18,
    resumed: 0,
    added: 18,
    unparseable: 0,
    failed: [],
    cost: { inputTokens: 1800, outputTokens: 180, withoutUsage: 0, total: (1800 * 30 + 180 * 60) / 1e6 },
  });
  expect(formatCost(result.cost)).toBe("1800 tokens in, 180 out; cost 0.0648");
  expect(seen.at(-1)).toBe(18);
  expect(server.state.mostActive).toBeGreaterThan(1);
  expect(server.state.mostActive).toBeLessThanOrEqual(4);
  expect(server.seen[0]!.body).toMatchObject({ model: "judge-1", temperature: 0.2, max_tokens: 1024 });
  const { pairwise } = readRatings(out);
  expect(pairwise.map((f) => `${f.first}>${f.second}`).sort()).toEqual([
    "middle>strong",
    "middle>weak",
    "strong>middle",
    "strong>weak",
    "weak>middle",
    "weak>strong",
  ]);
  // Every game is won by the better system, so Bradley–Terry has no finite answer and says so.
  await failure("NOT_CONNECTED", () => eloFromRatings(out));
});

test("relative: against a reference, read back as percentages", async () => {
  const server = await mockServer(verdict);
  const out = join(folder(), "scores.jsonl");
  const judge = { ...quick, baseUrl: server.baseUrl };
  const result = await compareAnswers(questions, answers, { mode: "relative", judge, out, reference: "middle" });
  expect(result.comparisons).toBe(12);
  expect(result.cost.total).toBeNull();
  const report = relativeFromRatings(out);
  expect(report.reference).toBe("middle");
  expect(report.systems.map((s) => [s.system, s.referenceFirst, s.systemFirst])).toEqual([
    ["strong", (100 * 8) / 6, (100 * 8) / 6],
    ["weak", (100 * 4) / 6, (100 * 4) / 6],
  ]);
});

test("replies that cannot be read are kept, counted, and not asked again", async () => {
  const server = await mockServer((seen) =>
    seen.body.messages[1]!.content.includes("Question 2") ? "I would rather not." : verdict(seen),
  );
  const out = join(folder(), "pairs.jsonl");
  const options = { mode: "pairwise" as const, judge: { ...quick, baseUrl: server.baseUrl }, out };
  expect(await compareAnswers(questions, answers, options)).toMatchObject({ added: 18, unparseable: 6 });
  expect(
    lines(out)
      .filter((r) => r.score === null)
      .map((r) => r.text),
  ).toEqual(Array(6).fill("I would rather not."));
  expect(await compareAnswers(questions, answers, options)).toMatchObject({ resumed: 18, added: 0, unparseable: 6 });
  expect(server.seen.length).toBe(18);
  expect(
    readRatings(out)
      .pairwise.flatMap((f) => f.verdicts)
      .filter((v) => v.verdict === null).length,
  ).toBe(6);
});

test("interrupted anywhere, it goes on: a torn last line is dropped, nothing is asked twice", async () => {
  const server = await mockServer(verdict);
  const out = join(folder(), "pairs.jsonl");
  const options = { mode: "pairwise" as const, judge: { ...quick, baseUrl: server.baseUrl }, out, concurrency: 1 };
  await compareAnswers(questions, answers, options);
  const whole = readFileSync(out);
  const ends = [...whole.entries()].filter(([, byte]) => byte === 0x0a).map(([i]) => i + 1);
  for (const cut of [0, 1, ends[0]! - 1, ends[0]!, ends[3]! + 17, ends[16]! + 1, whole.length - 1]) {
    truncateSync(out, 0);
    writeFileSync(out, whole.subarray(0, cut));
    const kept = ends.filter((end) => end <= cut).length;
    const before = server.seen.length;
    expect(await compareAnswers(questions, answers, options)).toMatchObject({ resumed: kept, added: 18 - kept });
    expect(server.seen.length - before).toBe(18 - kept);
    const sorted = (text: string) => text.trimEnd().split("\n").sort();
    expect(sorted(readFileSync(out, "utf8"))).toEqual(sorted(whole.toString()));
  }
});

test("failed requests are listed and made good by the next run", async () => {
  let down = true;
  const server = await mockServer((seen, response) => {
    if (!down || !seen.body.messages[1]!.content.includes("Question 1")) return verdict(seen);
    response.writeHead(500).end();
    return undefined;
  });
  const out = join(folder(), "pairs.jsonl");
  const options = { mode: "pairwise" as const, judge: { ...quick, retries: 1, baseUrl: server.baseUrl }, out };
  const first = await compareAnswers(questions, answers, options);
  expect(first).toMatchObject({ added: 12, resumed: 0 });
  expect(first.failed.map((f) => JSON.parse(f.key)[0])).toEqual([1, 1, 1, 1, 1, 1]);
  expect(first.failed[0]!.message).toMatch("HTTP 500");
  down = false;
  expect(await compareAnswers(questions, answers, options)).toMatchObject({ added: 6, resumed: 12, failed: [] });
});

test("a judge that is down is given up on; what was done stays", async () => {
  const server = await mockServer((seen, response, count) =>
    count <= 5 ? verdict(seen) : void response.writeHead(401).end(),
  );
  const out = join(folder(), "pairs.jsonl");
  const options = {
    mode: "pairwise" as const,
    judge: { ...quick, baseUrl: server.baseUrl },
    out,
    maxFailures: 3,
    concurrency: 1,
  };
  await failure("ENDPOINT", () => compareAnswers(questions, answers, options));
  expect(server.seen.length).toBe(8);
  expect(lines(out).length).toBe(5);
});

test("a results file of other settings, other answers or damage is refused", async () => {
  const server = await mockServer(verdict);
  const out = join(folder(), "pairs.jsonl");
  const options = { mode: "pairwise" as const, judge: { ...quick, baseUrl: server.baseUrl }, out };
  await compareAnswers(questions, answers, options);
  const asked = server.seen.length;
  const again = (changes: object) => () => compareAnswers(questions, answers, { ...options, ...changes });
  await failure("BAD_JOURNAL", again({ judge: { ...options.judge, model: "judge-2" } }));
  await failure("BAD_JOURNAL", again({ temperature: 1 }));
  await failure("BAD_JOURNAL", again({ mode: "relative" }));
  const changed = new Map([...answers, ["weak", new Map(questions.map((q) => [q.id, "better now"]))]]);
  expect((await failure("BAD_JOURNAL", () => compareAnswers(questions, changed, options))).message).toMatch(
    "was judged on other answers",
  );
  const text = readFileSync(out, "utf8");
  writeFileSync(out, text.replace("\n", "\n{broken\n"));
  expect((await failure("BAD_JOURNAL", again({}))).line).toBe(2);
  writeFileSync(out, `${text}${text.split("\n")[0]}\n`);
  expect((await failure("BAD_JOURNAL", again({}))).message).toMatch("repeats");
  writeFileSync(out, '{"score": 1}\n');
  await failure("BAD_JOURNAL", again({}));
  expect(server.seen.length).toBe(asked);
});

test("bad questions, missing answers, too few systems", async () => {
  const bad = async (text: string) =>
    (await failure("BAD_QUESTION", () => readJudgeQuestions(join(folder({ "q.jsonl": text }), "q.jsonl")))).message;
  expect(await bad(jsonl([{ question_id: "1", text: "Q" }]))).toMatch(
    "q.jsonl:1: needs an integer question_id and a text",
  );
  expect(await bad(jsonl([{ question_id: 1, text: " " }]))).toMatch("needs");
  expect(
    await bad(
      jsonl([
        { question_id: 1, text: "Q" },
        { question_id: 1, text: "R" },
      ]),
    ),
  ).toMatch("q.jsonl:2: repeats question_id 1");
  const options = {
    mode: "pairwise" as const,
    judge: { ...quick, baseUrl: "http://127.0.0.1:1" },
    out: join(folder(), "x.jsonl"),
  };
  const gap = new Map([...answers, ["weak", new Map([[1, "only one"]])]]);
  expect((await failure("BAD_QUESTION", () => compareAnswers(questions, gap, options))).message).toBe(
    "weak has no answer to question 2",
  );
  await expect(compareAnswers(questions, new Map([...answers].slice(0, 1)), options)).rejects.toThrow(
    "needs two systems",
  );
  await expect(compareAnswers(questions, answers, { ...options, reference: "none" })).rejects.toThrow(
    'no answers of "none"',
  );
});

test("answers are read back from files and folders, by system", async () => {
  const dir = folder({
    "answers/a.jsonl": jsonl([
      { question_id: 1, system: "first", text: "one" },
      { question_id: 1, system: "second", text: "uno" },
    ]),
    "answers/third.jsonl": jsonl([{ question_id: 2, text: "dos" }]),
    "bad/a.jsonl": jsonl([{ question_id: "1", text: "one" }]),
    "twice/a.jsonl": jsonl([
      { question_id: 1, text: "one" },
      { question_id: 1, text: "two" },
    ]),
    "none/readme.txt": "no answers",
  });
  const read = (...names: string[]) => readAnswers(names.map((name) => join(dir, name)));
  expect(read("answers")).toEqual(
    new Map([
      ["first", new Map([[1, "one"]])],
      ["second", new Map([[1, "uno"]])],
      ["third", new Map([[2, "dos"]])],
    ]),
  );
  expect(read("answers/third.jsonl", "answers/a.jsonl").size).toBe(3);
  expect((await failure("BAD_QUESTION", () => read("bad"))).message).toMatch(/a\.jsonl:1: an answer needs an integer/);
  expect((await failure("BAD_QUESTION", () => read("twice"))).message).toMatch("answers question 1 of a again");
  await failure("BAD_QUESTION", () => read("none"));
  await failure("NOT_FOUND", () => read("nowhere"));
});
