// qlora train: a configuration in, an adapter out, with everything a person wants to see on the way.
import { formatConfig, parseConfig, readConfigFile, type TrainEvent, Trainer, trainSchema } from "@qlora/trainer";
import { z } from "zod";
import { readFlags, type Shape } from "../arguments.js";
import { type Command, say, table } from "../command.js";
import { byteSize, duration, type Progress, progress } from "../progress.js";

const schema = trainSchema.extend({
  config: z.string().optional().describe("YAML file with any of these options; flags override it"),
  json: z.boolean().default(false).describe("every event as a JSON line on stdout"),
});

export const trainCommand: Command = {
  name: "train",
  summary: "fine-tune a model: QLoRA by default",
  schema,
  examples: [
    "qlora train --model my-model --data alpaca.json --output runs/mine",
    "qlora train --config recipe.yaml --max-steps 500 --resume auto",
    "qlora train --model my-model --data alpaca.json --output runs/lora16 --method lora",
  ],
  async run(argv) {
    const { config: file, json, ...flags } = readFlags(schema.shape as unknown as Shape, argv);
    const config = parseConfig({ ...(file ? readConfigFile(String(file)) : {}), ...flags });
    if (!json) {
      say("Configuration:");
      say(formatConfig(config).replace(/^/gm, "  ").trimEnd());
    }
    return watch(new Trainer(config), json === true);
  },
};

/** Runs a trainer, showing its events; the first Ctrl-C or SIGTERM saves a checkpoint and stops, the second stops at once. */
export async function watch(trainer: Trainer, json: boolean): Promise<number> {
  const controller = new AbortController();
  let signalled = 0;
  const stop = (signal: NodeJS.Signals) => {
    const code = signal === "SIGINT" ? 130 : 143;
    if (signalled) process.exit(code);
    signalled = code;
    say(`\n${signal}: finishing this pass and saving a checkpoint; again to stop at once`);
    controller.abort();
  };
  process.on("SIGINT", stop).on("SIGTERM", stop);
  const bar = progress();
  try {
    for await (const event of trainer.run({ signal: controller.signal })) {
      if (json) process.stdout.write(`${JSON.stringify(event)}\n`);
      else showEvent(event, bar);
    }
  } finally {
    bar.end();
    process.off("SIGINT", stop).off("SIGTERM", stop);
  }
  return signalled;
}

/** Shows one event of a run to a person. */
export function showEvent(event: TrainEvent, bar: Progress): void {
  switch (event.type) {
    case "data":
      bar.print(`Data: ${event.training} examples to train on, ${event.heldOut} held out; ${event.summary}`);
      break;
    case "memory":
      bar.print(`Memory expected at its peak: ${byteSize(event.estimate.total)}`);
      bar.print(
        table(event.estimate.parts.map(({ name, bytes, note }) => [`  ${name}`, byteSize(bytes).padStart(9), note])),
      );
      break;
    case "loading":
      bar.update(event.done, event.total, `loading ${event.done}/${event.total} tensors`);
      break;
    case "model":
      bar.print(
        `Model: ${event.parameters.toLocaleString("en")} parameters, ${event.trainable.toLocaleString("en")} of them trained`,
      );
      break;
    case "resumed":
      bar.print(`Continuing from ${event.path} (step ${event.step})`);
      break;
    case "evaluating":
      bar.update(event.done, event.total, `held-out loss ${event.done}/${event.total}`);
      break;
    case "evaluation":
      bar.print(`Step ${event.step}: held-out loss ${event.loss.toFixed(4)}`);
      break;
    case "step":
      bar.update(
        event.step,
        event.steps,
        `step ${event.step}/${event.steps}  loss ${event.loss.toFixed(4)}  ${Math.round(event.tokensPerSecond)} tokens/s  ETA ${duration(event.etaSeconds)}`,
      );
      break;
    case "warning":
      bar.print(`Warning: ${event.message}`);
      break;
    case "checkpoint":
      break;
    case "stopped":
      bar.end();
      say(`Stopped after step ${event.step}; continue with --resume auto`);
      break;
    case "done": {
      bar.end();
      const { before, after } = event.heldOut;
      const rows: [string, string][] = [];
      if (before !== null && after !== null) rows.push(["held-out loss", `${before.toFixed(4)} → ${after.toFixed(4)}`]);
      rows.push(["time", duration(event.seconds)]);
      rows.push(["peak memory", `${byteSize(event.peakBytes)} (expected ${byteSize(event.expectedBytes)})`]);
      for (const [name, path] of Object.entries(event.files)) rows.push([name, path]);
      say();
      say(table(rows));
    }
  }
}
