// Answers to a question file, from an endpoint and from a function, in a resumable file.
import { appendFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { collectAnswers, endpointAnswerer, formatCost, readJudgeQuestions } from "../src/index.js";
import { mockServer, quick } from "./mock-server.js";
import { failure, folder, jsonl, lines } from "./shared.js";

const questions = [1, 2, 3].map((id) => ({ id, text: `Question ${id}?`, category: id === 3 ? "math" : "generic" }));

test("answers from an endpoint: collected, resumed, priced", async () => {
  const server = await mockServer(({ body }) => `reply to ${body.messages.at(-1)!.content}`, null);
  const dir = folder({
    "questions.jsonl": jsonl(questions.map((q) => ({ question_id: q.id, text: q.text, category: q.category }))),
  });
  const asked = readJudgeQuestions(join(dir, "questions.jsonl"));
  expect(asked).toEqual(questions);
  const answer = endpointAnswerer({ ...quick, baseUrl: server.baseUrl }, { system: "Be brief.", temperature: 0 });
  const options = { system: "mine", out: join(dir, "answers.jsonl"), settings: { temperature: 0 } };
  const first = await collectAnswers(asked.slice(0, 2), answer, options);
  expect(first).toMatchObject({ added: 2, resumed: 0, cost: { withoutUsage: 2, total: null } });
  expect(formatCost(first.cost)).toBe("0 tokens in, 0 out, 2 replies without usage not counted; no price given");
  const second = await collectAnswers(asked, answer, options);
  expect(second).toMatchObject({ added: 1, resumed: 2 });
  expect([...second.answers].sort()).toEqual(questions.map((q) => [q.id, `reply to ${q.text}`]));
  expect(server.seen.length).toBe(3);
  expect(server.seen[0]!.body).toMatchObject({
    temperature: 0,
    top_p: 0.9,
    max_tokens: 1024,
    messages: [{ role: "system", content: "Be brief." }, {}],
  });
  await failure("BAD_JOURNAL", () => collectAnswers(asked, answer, { ...options, settings: { temperature: 1 } }));
});

test("answers from a function; an error of its own stops the run at once", async () => {
  const out = join(folder(), "answers.jsonl");
  const result = await collectAnswers(questions, async (q) => ({ text: `local ${q.id}` }), { system: "local", out });
  expect(result.answers.get(2)).toBe("local 2");
  const broken = join(folder(), "answers.jsonl");
  const run = collectAnswers(
    questions,
    async (q) => (q.id === 2 ? Promise.reject(new Error("model crashed")) : { text: "x" }),
    { system: "s", out: broken, concurrency: 1 },
  );
  await expect(run).rejects.toThrow("model crashed");
  expect(lines(broken).length).toBe(1);
});

test("records appended by hand after the last line end are not lost", async () => {
  const out = join(folder(), "answers.jsonl");
  await collectAnswers(questions.slice(0, 1), async () => ({ text: "a" }), { system: "s", out });
  appendFileSync(
    out,
    readFileSync(out, "utf8").replace('"key":"1"', '"key":"2"').replace('"question_id":1', '"question_id":2'),
  );
  const result = await collectAnswers(questions.slice(0, 2), async () => ({ text: "b" }), { system: "s", out });
  expect(result).toMatchObject({ resumed: 2, added: 0 });
});
