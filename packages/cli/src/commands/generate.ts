// qlora generate: one prompt in, one text out, as it is made.
import { encodePrompt } from "@qlora/data";
import { generate } from "@qlora/transformer";
import { z } from "zod";
import { command, result } from "../command.js";
import { modelOptions, openModel } from "../model-options.js";
import { seededUniform } from "../random.js";

export const samplingOptions = {
  maxNewTokens: z.number().int().positive().default(256).describe("tokens to generate at most"),
  temperature: z.number().nonnegative().default(0).describe("0 takes the most likely token each time"),
  topK: z.number().int().nonnegative().default(0).describe("keep the k most likely tokens; 0 keeps all"),
  topP: z.number().positive().max(1).default(1).describe("keep the most likely tokens whose probabilities add up to p"),
  minP: z
    .number()
    .nonnegative()
    .max(1)
    .default(0)
    .describe("keep tokens with this share of the best one's probability"),
  repetitionPenalty: z.number().positive().default(1).describe("penalty on tokens already seen; 1 is none"),
  seed: z.number().int().nonnegative().default(42).describe("seed of sampling"),
};

export const generateCommand = command({
  name: "generate",
  summary: "continue a prompt, or answer it with the chat template",
  schema: z.strictObject({
    ...modelOptions,
    prompt: z.string().describe("the text to continue; empty starts from the beginning-of-sequence token"),
    chat: z.boolean().default(false).describe("wrap the prompt as a user's turn of the chat template"),
    template: z.string().default("auto").describe("chat template: auto, or a built-in's name"),
    ...samplingOptions,
    json: z.boolean().default(false).describe("one JSON object on stdout"),
  }),
  examples: ['qlora generate --model my-model --adapter runs/mine --chat --prompt "Where is the kite?"'],
  async run(options) {
    const { model, tokenizer } = openModel(options);
    const prompt = options.chat
      ? encodePrompt([{ role: "user", content: options.prompt }], tokenizer, { template: options.template })
      : tokenizer.encode(options.prompt);
    const ids: number[] = [];
    const stream = tokenizer.decodeStream();
    const started = performance.now();
    let text = "";
    for (const id of generate(model, prompt, {
      ...options,
      stopIds: tokenizer.eosIds,
      random: seededUniform(options.seed),
    })) {
      ids.push(id);
      const piece = stream.push(id);
      text += piece;
      if (!options.json) process.stdout.write(piece);
      await new Promise(setImmediate); // lets Ctrl-C through
    }
    const rest = stream.end();
    text += rest;
    const seconds = (performance.now() - started) / 1000;
    if (options.json)
      result(
        true,
        { prompt: options.prompt, text, ids, tokens: ids.length, tokensPerSecond: ids.length / seconds },
        "",
      );
    else process.stdout.write(`${rest}\n`);
  },
});
