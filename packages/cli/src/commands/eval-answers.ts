// qlora eval answers: the answers of a model here, or of an endpoint, to a file of questions; the input of eval judge.
import { basename, resolve } from "node:path";
import { encodePrompt, type Message, resolveTemplate } from "@qlora/data";
import {
  type Answerer,
  type AnswersOptions,
  collectAnswers,
  endpointAnswerer,
  formatCost,
  readJudgeQuestions,
} from "@qlora/eval";
import { ModelError } from "@qlora/transformer";
import { z } from "zod";
import { answer, sampling, samplingOptions } from "../answer.js";
import { command } from "../command.js";
import { endpointOf, endpointOptions } from "../endpoint.js";
import { CommandError } from "../errors.js";
import { failures } from "../failures.js";
import { modelOptions, openModel } from "../model-options.js";
import { progress } from "../progress.js";
import { result } from "../terminal.js";

const { maxNewTokens, temperature, topP, seed } = samplingOptions;

const schema = z.strictObject({
  questions: z.string().min(1).describe("JSON Lines of {question_id, text, category?}"),
  results: z.string().min(1).describe("file to write; questions that it answers already are not asked again"),
  name: z
    .string()
    .min(1)
    .optional()
    .describe("what the system is called in the results; default the last part of its path"),
  ...modelOptions,
  model: z.string().min(1).describe("folder of the model; with --endpoint the name of one of its models"),
  endpoint: z
    .string()
    .min(1)
    .optional()
    .describe("ask this OpenAI-compatible endpoint, up to and without /chat/completions"),
  system: z.string().optional().describe("system message before each question"),
  template: z.string().optional().describe("chat template; default auto, or as in the adapter's run"),
  maxNewTokens: maxNewTokens.unwrap().default(1024).describe("tokens of an answer at most"),
  temperature: temperature
    .unwrap()
    .default(0.7)
    .describe("0 takes the most likely token each time; the paper's is 0.7"),
  topP: topP
    .unwrap()
    .default(0.9)
    .describe("keep the most likely tokens whose probabilities add up to p; the paper's is 0.9"),
  seed,
  ...endpointOptions,
  json: z.boolean().default(false).describe("one JSON object on stdout"),
});
type Options = z.output<typeof schema>;

export const answersCommand = command({
  name: "eval answers",
  summary: "answers to a file of questions, from a model here or an endpoint",
  schema,
  examples: [
    "qlora eval answers --model my-model --adapter runs/mine --questions questions.jsonl --results answers/mine.jsonl",
    "qlora eval answers --endpoint https://api.openai.com/v1 --model gpt-4 --questions questions.jsonl --results answers/gpt-4.jsonl",
  ],
  async run(options) {
    const questions = readJudgeQuestions(options.questions);
    const { ask, settings } = options.endpoint === undefined ? await fromModel(options) : fromEndpoint(options);
    const bar = progress();
    const found = await collectAnswers(questions, ask, {
      ...settings,
      system: options.name ?? basename(resolve(options.adapter ?? options.model)),
      out: options.results,
      maxFailures: options.maxFailures,
      onProgress: (done, total) => bar.update(done, total, `answer ${done}/${total}`),
    });
    bar.end();
    const { answers, ...rest } = found;
    const text = `${options.results}: ${answers.size} answers, ${found.added} of them new\n${formatCost(found.cost)}`;
    result(options.json, { results: options.results, answers: answers.size, ...rest }, text);
    return failures(found.failed);
  },
});

interface Source {
  ask: Answerer;
  /** Everything that changes the answers goes into `settings.settings`. */
  settings: Pick<AnswersOptions, "settings" | "concurrency" | "price">;
}

function fromEndpoint(options: Options): Source {
  const { endpoint, model, system, temperature, topP, maxNewTokens, concurrency } = options;
  const at = endpointOf(endpoint!, model, options);
  const sampled = { temperature, topP, maxTokens: maxNewTokens, ...(system === undefined ? {} : { system }) };
  const settings = { endpoint, model, ...sampled };
  return {
    ask: endpointAnswerer(at, sampled),
    settings: { settings, concurrency, ...(at.price ? { price: at.price } : {}) },
  };
}

/** Each question has its own random numbers, so that an answer does not depend on which were there already. */
async function fromModel(options: Options): Promise<Source> {
  const { model, adapter, precision, blockSize, doubleQuant, compute, system, seed, template, ...rest } = options;
  const loaded = await openModel(options);
  const { tokenizer } = loaded;
  const chat = resolveTemplate(template ?? loaded.template, tokenizer);
  const stopIds = [...chat.stopIds(tokenizer), ...tokenizer.eosIds];
  const start: Message[] = system === undefined ? [] : [{ role: "system", content: system }];
  const ask: Answerer = async ({ id, text: content }) => {
    const prompt = encodePrompt([...start, { role: "user", content }], tokenizer, { template: chat });
    const drawn = sampling({ ...rest, topK: 0, minP: 0, repetitionPenalty: 1, cache: "f32", seed: seed + id }, stopIds);
    const { text, ids } = await answer(loaded, prompt, { ...drawn, continues: false }).catch((error) => {
      throw error instanceof ModelError ? new CommandError(`question ${id}: ${error.message}`) : error;
    });
    return { text, usage: { inputTokens: prompt.length, outputTokens: ids.length } };
  };
  const { temperature, topP, maxNewTokens } = rest;
  const made = { precision, blockSize, doubleQuant, compute, template, system, seed, temperature, topP, maxNewTokens };
  const paths = { model: resolve(model), adapter: adapter && resolve(adapter) };
  return { ask, settings: { settings: { ...paths, ...made }, concurrency: 1 } };
}
