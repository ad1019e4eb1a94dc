// qlora train: a configuration in, an adapter out, with everything a person wants to see on the way.
import { ConfigError, formatConfig, parseConfig, readConfigFile, Trainer, trainSchema } from "@qlora/trainer";
import { z } from "zod";
import { readFlags, requireFlags } from "../arguments.js";
import type { Command } from "../command.js";
import type { Shape } from "../flags.js";
import { progress } from "../progress.js";
import { showEvent } from "../show-event.js";
import { say, toJson } from "../terminal.js";

const shape = trainSchema.shape as unknown as Shape;
const schema = trainSchema.extend({
  config: z.string().optional().describe("YAML file with any of these options; flags override it"),
  json: z.boolean().default(false).describe("every event as a line of JSON on stdout"),
});

export const trainCommand: Command = {
  name: "train",
  summary: "fine-tune a model: QLoRA by default",
  schema,
  examples: [
    "qlora train --model my-model --data alpaca.json --output runs/mine",
    "qlora train --config recipe.yaml --max-steps 500 --resume auto",
    "qlora train --model my-model --data alpaca.json --output runs/16bit --method lora",
  ],
  async run(argv) {
    const { config: file, json, ...flags } = readFlags(schema.shape as unknown as Shape, argv);
    const values = { ...(file ? readConfigFile(String(file)) : {}), ...flags };
    requireFlags(shape, values, file ? ` (or ${"key: value"} in ${file})` : "");
    const config = withPlace(file, () => parseConfig(values, file === undefined ? "options" : String(file)));
    return watch(new Trainer(config), json === true);
  },
};

/** A value of the wrong type can only come from the file: flags have been checked. */
function withPlace<T>(file: unknown, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (error instanceof ConfigError && file === undefined)
      throw new ConfigError(error.message.replaceAll(/^options: /gm, ""));
    throw error;
  }
}

/**
 * Runs a trainer, showing its events; the first Ctrl-C or SIGTERM saves a checkpoint and stops, the second stops at once.
 * With `json` each event is a line on stdout; people still see them on stderr, unless both are the same terminal.
 */
async function watch(trainer: Trainer, json: boolean): Promise<number> {
  const controller = new AbortController();
  let code = 0;
  const stop = (signal: NodeJS.Signals) => {
    if (code !== 0) process.exit(code);
    code = signal === "SIGINT" ? 130 : 143;
    bar.print(`${signal}: finishing this block and saving a checkpoint; again to stop at once`);
    controller.abort();
  };
  const bar = progress();
  const quiet = json && process.stdout.isTTY === true;
  const out = (value: object) => json && process.stdout.write(`${toJson(value)}\n`);
  let first = true;
  let stopped = false;
  process.on("SIGINT", stop).on("SIGTERM", stop);
  try {
    for await (const event of trainer.run({ signal: controller.signal })) {
      if (first) {
        out({ type: "configuration", configuration: trainer.config });
        if (!quiet) say(`Configuration:\n${formatConfig(trainer.config).replace(/^/gm, "  ").trimEnd()}`);
        first = false;
      }
      out(event);
      if (!quiet) showEvent(event, bar);
      stopped ||= event.type === "stopped";
    }
  } finally {
    bar.end();
    process.off("SIGINT", stop).off("SIGTERM", stop);
  }
  return stopped ? code : 0;
}
