// qlora chat: a conversation, the whole of it the context of each answer. Answers go to stdout, everything else to stderr.
import { createInterface } from "node:readline";
import { encodePrompt, type Message, resolveTemplate } from "@qlora/data";
import { ModelError } from "@qlora/transformer";
import { z } from "zod";
import { answer, sampling, samplingOptions } from "../answer.js";
import { command } from "../command.js";
import { modelOptions, openModel } from "../model-options.js";
import { bold, printable, say } from "../terminal.js";

export const chatCommand = command({
  name: "chat",
  summary: "talk with a model, line by line",
  schema: z.strictObject({
    ...modelOptions,
    template: z
      .string()
      .optional()
      .describe(
        "chat template: auto (the model's own, else guanaco) or a built-in's name; default auto, or as in the adapter's run",
      ),
    system: z.string().optional().describe("system message at the start"),
    ...samplingOptions,
  }),
  examples: ["qlora chat --model my-model --adapter runs/mine"],
  async run(options) {
    const loaded = await openModel(options);
    const { tokenizer } = loaded;
    const template = resolveTemplate(options.template ?? loaded.template, tokenizer);
    const settings = sampling(options, [...template.stopIds(tokenizer), ...tokenizer.eosIds]);
    const start: Message[] = options.system ? [{ role: "system", content: options.system }] : [];
    let messages = [...start];
    const reply = async (content: string, signal: AbortSignal): Promise<void> => {
      const turns: Message[] = [...messages, { role: "user", content }];
      const prompt = encodePrompt(turns, tokenizer, { template });
      const onText = (piece: string) => process.stdout.write(process.stdout.isTTY ? printable(piece) : piece);
      const { text, ended } = await answer(loaded, prompt, { ...settings, continues: false, signal, onText });
      process.stdout.write("\n");
      if (ended === "interrupted") say("(stopped)");
      if (ended === "context") say("(the model's context is full; /clear starts over)");
      messages = [...turns, { role: "assistant", content: text }];
    };
    return converse(async (line, signal) => {
      if (line === "/clear") {
        messages = [...start];
        return;
      }
      try {
        await reply(line, signal);
      } catch (error) {
        if (!(error instanceof ModelError && error.code === "CONTEXT_EXCEEDED")) throw error;
        say(`${error.message}; /clear starts over`);
      }
    });
  },
});

/**
 * Gives each line of stdin to `turn`, until the end of the input or /exit. Ctrl-C stops the turn that is under way; where
 * none is, it leaves: at a terminal when it comes twice. Returns the exit code.
 */
async function converse(turn: (line: string, signal: AbortSignal) => Promise<void>): Promise<number> {
  const live = process.stdin.isTTY === true;
  const prompt = bold("> ");
  const lines = createInterface({ input: process.stdin, ...(live ? { output: process.stderr, prompt } : {}) });
  let current: AbortController | undefined;
  let leaving = false;
  const interrupt = () => {
    if (current && !current.signal.aborted) current.abort();
    else if (current || !live || leaving) {
      if (live) say();
      process.exit(130);
    } else {
      leaving = true;
      say("\n(Ctrl-C again or Ctrl-D leaves)");
      lines.prompt();
    }
  };
  lines.on("SIGINT", interrupt); // the terminal is raw while a line is read: Ctrl-C is a key then, and a signal otherwise
  process.on("SIGINT", interrupt);
  if (live) {
    say("Ctrl-C stops an answer, /clear starts over, Ctrl-D or /exit leaves.");
    lines.prompt();
  }
  try {
    for await (const text of lines) {
      const line = text.trim();
      leaving = false;
      if (line === "/exit") break;
      if (line !== "") {
        current = new AbortController();
        await turn(line, current.signal);
        current = undefined;
      }
      if (live) lines.prompt();
    }
    if (live) say();
  } finally {
    lines.close();
    process.off("SIGINT", interrupt);
  }
  return 0;
}
