// qlora chat: a conversation in the terminal; the whole of it is the context of each answer.
import { createInterface } from "node:readline/promises";
import { styleText } from "node:util";
import { encodePrompt } from "@qlora/data";
import { generate } from "@qlora/transformer";
import { z } from "zod";
import { command, say } from "../command.js";
import { modelOptions, openModel } from "../model-options.js";
import { seededUniform } from "../random.js";
import { samplingOptions } from "./generate.js";

export const chatCommand = command({
  name: "chat",
  summary: "talk with a model in the terminal",
  schema: z.strictObject({
    ...modelOptions,
    template: z.string().default("auto").describe("chat template: auto, or a built-in's name"),
    system: z.string().optional().describe("system message at the start"),
    ...samplingOptions,
  }),
  async run(options) {
    const { model, tokenizer } = openModel(options);
    const random = seededUniform(options.seed);
    const start = options.system ? [{ role: "system" as const, content: options.system }] : [];
    let messages: { role: "system" | "user" | "assistant"; content: string }[] = [...start];
    const terminal = createInterface({ input: process.stdin, output: process.stderr, prompt: styleText("bold", "> ") });
    say("Empty line or Ctrl-D ends; /clear starts over.");
    terminal.prompt();
    for await (const line of terminal) {
      if (line.trim() === "") break;
      if (line.trim() === "/clear") {
        messages = [...start];
        terminal.prompt();
        continue;
      }
      messages.push({ role: "user", content: line });
      const prompt = encodePrompt(messages, tokenizer, { template: options.template });
      const stream = tokenizer.decodeStream();
      let text = "";
      for (const id of generate(model, prompt, { ...options, stopIds: tokenizer.eosIds, random })) {
        const piece = stream.push(id);
        text += piece;
        process.stdout.write(piece);
        await new Promise(setImmediate);
      }
      const rest = stream.end();
      process.stdout.write(`${rest}\n`);
      messages.push({ role: "assistant", content: text + rest });
      terminal.prompt();
    }
    terminal.close();
  },
});
