// qlora eval judge: answers of several systems compared by another model, pair by pair, in both orders; then ranked.
import {
  type CompareResult,
  compareAnswers,
  EvaluationError,
  eloFromRatings,
  formatCost,
  formatEloTable,
  formatRelativeTable,
  readAnswers,
  readJudgeQuestions,
  relativeFromRatings,
} from "@qlora/eval";
import { z } from "zod";
import { command } from "../command.js";
import { endpointOf, endpointOptions } from "../endpoint.js";
import { UsageError } from "../errors.js";
import { failures } from "../failures.js";
import { checkHtml, htmlOption, writeHtml } from "../html.js";
import { progress } from "../progress.js";
import { result, say } from "../terminal.js";

const schema = z.strictObject({
  questions: z.string().min(1).describe("JSON Lines of {question_id, text, category?}"),
  answers: z.string().min(1).describe("folder of answer files, or files separated by commas"),
  results: z.string().min(1).describe("file to write; comparisons that it holds already are not made again"),
  endpoint: z.string().min(1).describe("the judge's OpenAI-compatible endpoint, up to and without /chat/completions"),
  model: z.string().min(1).describe("name of the judging model there"),
  mode: z
    .enum(["pairwise", "relative"])
    .default("pairwise")
    .describe("which answer is better or neither, or two scores from 1 to 10"),
  reference: z.string().min(1).optional().describe("compare every system with this one only; default all pairs"),
  orders: z.enum(["both", "one"]).default("both").describe("show each pair in both orders, or as listed only"),
  temperature: z.number().nonnegative().default(0.2).describe("of the judge; the paper's is 0.2"),
  maxTokens: z.number().int().positive().default(1024).describe("tokens of a judgement at most"),
  ...endpointOptions,
  seed: z.number().int().nonnegative().default(0).describe("seed of orderings and bootstrap"),
  html: htmlOption,
  json: z.boolean().default(false).describe("one JSON object on stdout"),
});
type Options = z.output<typeof schema>;

export const judgeCommand = command({
  name: "eval judge",
  summary: "have a model compare answers, in both orders, and rank the systems",
  schema,
  examples: [
    "qlora eval judge --endpoint https://api.openai.com/v1 --model gpt-4 --questions questions.jsonl --answers answers --results judged.jsonl",
  ],
  async run(options) {
    const { results, endpoint, model, mode, reference, orders, temperature, maxTokens, html, json } = options;
    checkHtml(html);
    const judge = endpointOf(endpoint, model, options);
    const questions = readJudgeQuestions(options.questions);
    const answers = readAnswers(options.answers.split(",").map((path) => path.trim()));
    const names = [...answers.keys()].join(", ");
    if (answers.size < 2)
      throw new UsageError(`--answers must hold those of two systems or more, has ${names || "none"}`);
    if (reference !== undefined && !answers.has(reference))
      throw new UsageError(`--reference ${reference} is none of ${names}`);
    const bar = progress();
    const compared = await compareAnswers(questions, answers, {
      mode,
      judge,
      out: results,
      orders,
      temperature,
      maxTokens,
      concurrency: options.concurrency,
      maxFailures: options.maxFailures,
      ...(reference === undefined ? {} : { reference }),
      onProgress: (done, total) => bar.update(done, total, `comparison ${done}/${total}`),
    });
    bar.end();
    report(options, compared, json);
    return failures(compared.failed);
  },
});

/** The tally, and the ranking where the ratings allow one. */
function report({ results, mode, reference, seed, html }: Options, compared: CompareResult, json: boolean): void {
  const { comparisons, added, unparseable, cost } = compared;
  const tally = `${results}: ${comparisons} comparisons, ${added} of them new, ${unparseable} without a readable verdict\n${formatCost(cost)}`;
  const ranking = rank(() =>
    mode === "pairwise"
      ? { elo: eloFromRatings(results, { seed }) }
      : { relative: relativeFromRatings(results, { seed, ...(reference === undefined ? {} : { reference }) }) },
  );
  if (ranking) writeHtml(html, { title: "Judged comparison", subtitle: results, ...ranking });
  const { elo, relative } = ranking ?? {};
  const table = elo ? formatEloTable(elo) : relative ? formatRelativeTable(relative) : "";
  result(
    json,
    { results, ...compared, elo: elo ?? null, relative: relative ?? null },
    `${table && `${table}\n`}${tally}`,
  );
}

/** Some ratings rank nothing: a system that always wins has no finite rating, scores without a common reference no 100 %. */
function rank<T>(make: () => T): T | undefined {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof EvaluationError)) throw error;
    say(`The systems cannot be ranked: ${error.message}`);
    return undefined;
  }
}
