// qlora generate: one prompt in, one text out, as it is made.
import { encodePrompt, resolveTemplate } from "@qlora/data";
import { z } from "zod";
import { answer, sampling, samplingOptions } from "../answer.js";
import { command } from "../command.js";
import { modelOptions, openModel } from "../model-options.js";
import { printable, result } from "../terminal.js";

export const generateCommand = command({
  name: "generate",
  summary: "continue a prompt, or answer it with the chat template",
  schema: z.strictObject({
    ...modelOptions,
    prompt: z.string().describe("the text to continue; an empty one starts from the beginning-of-sequence token"),
    chat: z.boolean().default(false).describe("the prompt is a user's turn, to be answered by the chat template"),
    template: z
      .string()
      .optional()
      .describe(
        "chat template: auto (the model's own, else guanaco) or a built-in's name; default auto, or as in the adapter's run",
      ),
    ...samplingOptions,
    json: z.boolean().default(false).describe("one JSON object on stdout"),
  }),
  examples: [
    'qlora generate --model my-model --prompt "Once upon a time"',
    'qlora generate --model my-model --adapter runs/mine --chat --prompt "Who are you?"',
  ],
  async run(options) {
    const loaded = await openModel(options);
    const { tokenizer } = loaded;
    const template = resolveTemplate(options.template ?? loaded.template, tokenizer);
    const prompt = options.chat
      ? encodePrompt([{ role: "user", content: options.prompt }], tokenizer, { template })
      : tokenizer.encode(options.prompt);
    const stopIds = options.chat ? [...template.stopIds(tokenizer), ...tokenizer.eosIds] : tokenizer.eosIds;
    const started = performance.now();
    const write = (piece: string) => process.stdout.write(process.stdout.isTTY ? printable(piece) : piece);
    const { text, ids, ended } = await answer(loaded, prompt, {
      ...sampling(options, stopIds),
      continues: !options.chat,
      ...(options.json ? {} : { onText: write }),
    });
    const tokensPerSecond = ids.length / ((performance.now() - started) / 1000);
    const json = {
      prompt: options.prompt,
      text,
      ended,
      promptTokens: prompt.length,
      tokens: ids.length,
      tokensPerSecond,
      ids,
    };
    result(options.json, json, "");
  },
});
