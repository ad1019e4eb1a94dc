// qlora eval mmlu: multiple-choice accuracy.
import { type ChoiceOptions, evaluateChoices, formatChoiceTable, readQuestions } from "@qlora/eval";
import { z } from "zod";
import { command } from "../command.js";
import { checkHtml, htmlOption, writeHtml } from "../html.js";
import { modelOptions, openModel } from "../model-options.js";
import { progress } from "../progress.js";
import { choiceScorer } from "../scorer.js";
import { result } from "../terminal.js";

export const mmluCommand = command({
  name: "eval mmlu",
  summary: "multiple-choice accuracy: MMLU's files or generic questions",
  schema: z.strictObject({
    ...modelOptions,
    data: z.string().min(1).describe("questions: a file, or a folder of CSV and JSON files"),
    method: z
      .enum(["letter", "likelihood"])
      .default("letter")
      .describe("compare the logits of the letters, or the likelihoods of the choices"),
    normalise: z.enum(["bytes", "tokens", "none"]).default("bytes").describe("what a likelihood is divided by"),
    shots: z.number().int().nonnegative().default(0).describe("worked examples before each question"),
    shotsData: z.string().min(1).optional().describe("questions to take them from, by subject"),
    prompt: z
      .enum(["file", "build"])
      .default("file")
      .describe("take the finished prompts of files that hold some, or build all of them alike"),
    limit: z.number().int().positive().optional().describe("only the first N questions"),
    seed: z.number().int().nonnegative().default(0).describe("seed of the bootstrap interval"),
    html: htmlOption,
    json: z.boolean().default(false).describe("one JSON object on stdout"),
  }),
  examples: ["qlora eval mmlu --model my-model --data zero_shot_mmlu_val.json --json"],
  async run({ data, method, normalise, shots, shotsData, prompt, limit, seed, html, json, ...options }) {
    checkHtml(html);
    const questions = readQuestions(data).slice(0, limit);
    const examples = shotsData === undefined ? [] : readQuestions(shotsData);
    const scorer = choiceScorer(await openModel(options));
    const bar = progress();
    const settings: ChoiceOptions = { method, normalise, shots, examples, prompt, seed };
    const measured = await evaluateChoices(questions, scorer, {
      ...settings,
      onProgress: (done, total) => bar.update(done, total, `question ${done}/${total}`),
    });
    bar.end();
    writeHtml(html, { title: "Multiple choice", subtitle: data, choices: [{ name: options.model, result: measured }] });
    result(json, measured, formatChoiceTable(measured));
  },
});
