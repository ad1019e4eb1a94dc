// eval answers and eval judge against a chat-completions server on this machine: keys, both orders, resuming, what cannot be read.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { mockServer, type Seen } from "../../eval/test/mock-server.js";
import { baseModel, folder, fresh, json, qlora, write } from "./qlora.js";

const jsonl = (records: object[]) => records.map((record) => `${JSON.stringify(record)}\n`).join("");
const records = (path: string) =>
  readFileSync(path, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);

const questions = write(
  "questions.jsonl",
  jsonl([1, 2, 3].map((id) => ({ question_id: id, text: `Question ${id}?`, category: "generic" }))),
);
const systems = ["strong", "middle", "weak"];
const answers = folder(
  Object.fromEntries(
    systems.map((system) => [
      `${system}.jsonl`,
      jsonl([1, 2, 3].map((id) => ({ question_id: id, system, text: `${system} answer to ${id}` }))),
    ]),
  ),
);

/** Prefers strong to middle to weak, but for question 3, on which it takes the first answer. */
function verdict({ body }: Seen): string {
  const text = body.messages[1]!.content;
  const [, first, second] = /=== First answer ===\n(\w+)[\s\S]*=== Second answer ===\n(\w+)/.exec(text)!;
  const [a, b] = [first!, second!].map((system) => systems.indexOf(system));
  if (body.messages[0]!.content.includes("scores")) return `Compared.\n\n${8 - 2 * a!} ${8 - 2 * b!}`;
  return `Compared.\n\n${text.includes("Question 3") || a! < b! ? 1 : 2}`;
}

test("eval answers: from a model here, resumed, and refused under other settings", async () => {
  const results = fresh("answers.jsonl");
  const argv = ["eval", "answers", "--model", baseModel, "--questions", questions, "--results", results];
  const settings = ["--max-new-tokens", "6", "--template", "guanaco"];
  expect(await json([...argv, ...settings])).toMatchObject({ answers: 3, added: 3, resumed: 0, failed: [] });
  const first = records(results);
  expect(first.map(({ question_id, system }) => [question_id, system])).toEqual(
    [1, 2, 3].map((id) => [id, "base-model"]),
  );
  expect(first[0]!.usage).toMatchObject({ outputTokens: 6 });
  expect(await json([...argv, ...settings])).toMatchObject({ answers: 3, added: 0, resumed: 3 });
  // A question that is answered alone gets the answer that it got among the others.
  const alone = fresh("alone.jsonl");
  const last = write("last.jsonl", jsonl([{ question_id: 3, text: "Question 3?" }]));
  await json([...argv.slice(0, 4), "--questions", last, "--results", alone, ...settings]);
  expect(records(alone)[0]!.text).toBe(first[2]!.text);
  const other = await qlora([...argv, ...settings, "--temperature", "0"]);
  expect(other).toMatchObject({ code: 1, stdout: "" });
  expect(other.stderr).toMatch(/made with other settings/);
});

test("eval answers: from an endpoint; the key goes there and nowhere else", async () => {
  const key = "sk-secret-93af";
  let down = true;
  const server = await mockServer(({ body, authorization }, response) => {
    if (!down) return `answer to ${body.messages[0]!.content}`;
    response.writeHead(401).end(`bad ${authorization}`);
    return undefined;
  });
  const results = fresh("answers.jsonl");
  const argv = ["eval", "answers", "--endpoint", server.baseUrl, "--model", "m", "--name", "remote"];
  const rest = ["--questions", questions, "--results", results, "--api-key-env", "TEST_KEY", "--retries", "0"];
  const env = { TEST_KEY: key };
  const failed = await qlora([...argv, ...rest, "--json"], { env });
  expect(failed.code).toBe(1);
  expect(failed.stderr).toMatch(/3 requests failed, the first \(1\) because .*HTTP 401 bad Bearer \[key\]/);
  down = false;
  const price = ["--price-in", "30", "--price-out", "60"];
  const done = await qlora([...argv, ...rest, ...price], { env });
  expect(done.stdout).toMatch(/3 answers, 3 of them new\n300 tokens in, 30 out; cost 0\.0108/);
  expect(server.seen.at(-1)).toMatchObject({ authorization: `Bearer ${key}`, body: { temperature: 0.7, top_p: 0.9 } });
  expect(
    records(results)
      .map(({ text }) => text)
      .sort(),
  ).toEqual([1, 2, 3].map((id) => `answer to Question ${id}?`));
  for (const text of [failed.stdout, failed.stderr, done.stdout, done.stderr, readFileSync(results, "utf8")])
    expect(text).not.toContain(key);
});

test("eval judge, pairwise: both orders, ranked, resumed, unreadable replies kept", async () => {
  const server = await mockServer((seen) =>
    seen.body.messages[1]!.content.includes("Question 2") ? "I would rather not." : verdict(seen),
  );
  const [results, page] = [fresh("judged.jsonl"), fresh("judged.html")];
  const argv = ["eval", "judge", "--endpoint", server.baseUrl, "--model", "judge-1", "--api-key-env", "none"];
  const rest = ["--questions", questions, "--answers", answers, "--results", results, "--html", page];
  const judged = await json<{ elo: { systems: { system: string }[] } }>([...argv, ...rest]);
  expect(judged).toMatchObject({ comparisons: 18, added: 18, unparseable: 6, failed: [], relative: null });
  expect(judged.elo.systems.map(({ system }) => system)).toEqual(systems);
  expect(readFileSync(page, "utf8")).toMatch(/<h2>Elo<\/h2>/);
  expect(records(results).filter(({ score }) => score === null)).toHaveLength(6);
  const again = await qlora([...argv, ...rest]);
  expect(again.stdout).toMatch(/^system[\s\S]*18 comparisons, 0 of them new, 6 without a readable verdict/);
  expect(server.seen).toHaveLength(18);
});

test("eval judge, relative: against a reference, files by name", async () => {
  const server = await mockServer(verdict);
  const files = systems.map((system) => join(answers, `${system}.jsonl`)).join(",");
  const argv = ["eval", "judge", "--endpoint", server.baseUrl, "--model", "judge-1", "--api-key-env", "none"];
  const rest = ["--mode", "relative", "--reference", "middle", "--questions", questions, "--answers", files];
  const judged = await json<{ relative: object }>([...argv, ...rest, "--results", fresh("scores.jsonl")]);
  expect(judged).toMatchObject({ comparisons: 12, elo: null, relative: { reference: "middle" } });
  expect(judged.relative).toMatchObject({ systems: [{ system: "strong", mean: (100 * 8) / 6 }, { system: "weak" }] });
});

test("eval judge: ratings that rank nothing are said to", async () => {
  const server = await mockServer(() => "1");
  const argv = ["eval", "judge", "--endpoint", server.baseUrl, "--model", "judge-1", "--api-key-env", "none"];
  const rest = ["--orders", "one", "--questions", questions, "--answers", answers, "--results", fresh("judged.jsonl")];
  const { code, stdout, stderr } = await qlora([...argv, ...rest]);
  expect(code).toBe(0);
  expect(stderr).toMatch(/cannot be ranked/);
  expect(stdout).toMatch(/9 comparisons, 9 of them new/);
});

test("wrong usage asks nothing and writes nothing", async () => {
  const results = fresh("judged.jsonl");
  const judge = ["eval", "judge", "--model", "j", "--questions", questions, "--results", results];
  const local = ["--endpoint", "http://127.0.0.1:9/v1", "--api-key-env", "none"];
  const cases: [number, string[], RegExp][] = [
    [2, [...judge, "--answers", answers, "--endpoint", "localhost"], /--endpoint is an address like/],
    [
      2,
      [...judge, "--answers", answers, ...local, "--reference", "best"],
      /--reference best is none of middle, strong, weak/,
    ],
    [2, [...judge, "--answers", join(answers, "weak.jsonl"), ...local], /two systems or more, has weak/],
    [2, [...judge, "--answers", answers, ...local, "--price-in", "1"], /go together/],
    [1, [...judge, "--answers", answers, "--endpoint", "https://example.invalid/v1"], /OPENAI_API_KEY is not set/],
    [1, [...judge, "--answers", "nowhere", ...local], /nowhere: cannot be read/],
    [1, [...judge, "--answers", write("bad.jsonl", jsonl([{ text: "x" }])), ...local], /an answer needs an integer/],
  ];
  for (const [code, argv, says] of cases) {
    const run = await qlora(argv, { env: { OPENAI_API_KEY: "" } });
    expect(run, argv.join(" ")).toMatchObject({ code, stdout: "" });
    expect(run.stderr).toMatch(says);
    expect(run.stderr.trimEnd()).not.toMatch(/\n/);
  }
  const key = await qlora([...judge, "--answers", answers, ...local.slice(0, 2), "--api-key-env", "sk-secret-93af"]);
  expect(key.stderr).toMatch(/takes the name of an environment variable, not the key/);
  expect(key.stderr).not.toMatch(/93af/);
  expect(existsSync(results)).toBe(false);
});
