// qlora eval …: perplexity, multiple choice, and the judged comparisons of the paper.
import {
  eloFromRatings,
  evaluateChoices,
  formatChoiceTable,
  formatEloTable,
  formatRelativeTable,
  perplexity,
  readDocuments,
  readQuestions,
  relativeFromRatings,
} from "@qlora/eval";
import { z } from "zod";
import { type Command, command, result, table } from "../command.js";
import { modelOptions, openModel } from "../model-options.js";
import { progress } from "../progress.js";
import { choiceScorer, tokenScorer } from "../scorer.js";

const json = z.boolean().default(false).describe("one JSON object on stdout");

const perplexityCommand = command({
  name: "eval perplexity",
  summary: "perplexity and loss of a model on a text or JSONL file",
  schema: z.strictObject({
    ...modelOptions,
    data: z.string().min(1).describe("text file, or JSONL with a text field"),
    stride: z.number().int().positive().optional().describe("tokens the window moves on; default half of it"),
    window: z.number().int().positive().optional().describe("tokens the model sees at once; default its context"),
    maxTokens: z.number().int().positive().optional().describe("stop after so many tokens"),
    json,
  }),
  async run({ data, stride, window, maxTokens, json, ...options }) {
    const documents = readDocuments(data);
    const scorer = tokenScorer(openModel(options));
    const bar = progress();
    const measured = await perplexity(documents, scorer, {
      ...(stride ? { stride } : {}),
      ...(window ? { window } : {}),
      ...(maxTokens ? { maxTokens } : {}),
      onProgress: ({ tokens, nll, document, documents }) =>
        bar.update(
          document,
          documents,
          `document ${document}/${documents}  ${tokens} tokens  perplexity ${Math.exp(nll).toFixed(3)}`,
        ),
    });
    bar.end();
    const rows = [
      ["perplexity", measured.perplexity.toFixed(4)],
      ["loss (nats per token)", measured.nll.toFixed(5)],
      ["bits per byte", measured.bitsPerByte?.toFixed(4) ?? "not known (cut by --max-tokens)"],
      ["tokens", String(measured.tokens)],
    ];
    result(json, measured, table(rows));
  },
});

const mmluCommand = command({
  name: "eval mmlu",
  summary: "multiple-choice accuracy (MMLU's JSON or CSV, or generic questions)",
  schema: z.strictObject({
    ...modelOptions,
    data: z.string().min(1).describe("questions"),
    method: z
      .enum(["letter", "likelihood"])
      .default("letter")
      .describe("compare the letters' logits, or the choices' likelihoods"),
    shots: z.number().int().nonnegative().default(0).describe("worked examples before each question"),
    shotsData: z.string().optional().describe("questions to take them from"),
    json,
  }),
  async run({ data, method, shots, shotsData, json, ...options }) {
    const questions = readQuestions(data);
    const scorer = choiceScorer(openModel(options));
    const bar = progress();
    const measured = await evaluateChoices(questions, scorer, {
      method,
      shots,
      ...(shotsData ? { examples: readQuestions(shotsData) } : {}),
      onProgress: (done: number, total: number) => bar.update(done, total, `question ${done}/${total}`),
    });
    bar.end();
    result(json, measured, formatChoiceTable(measured));
  },
});

const eloCommand = command({
  name: "eval elo",
  summary: "Elo from pairwise judgements, over seeded random orderings",
  schema: z.strictObject({ ratings: z.string().min(1).describe("folder of rating files"), json }),
  run({ ratings, json }) {
    const report = eloFromRatings(ratings);
    result(json, report, formatEloTable(report));
  },
});

const relativeCommand = command({
  name: "eval relative",
  summary: "scores relative to a reference system, both orders",
  schema: z.strictObject({ ratings: z.string().min(1).describe("folder of rating files"), json }),
  run({ ratings, json }) {
    const report = relativeFromRatings(ratings);
    result(json, report, formatRelativeTable(report));
  },
});

export const evalCommands: Command[] = [perplexityCommand, mmluCommand, eloCommand, relativeCommand];
