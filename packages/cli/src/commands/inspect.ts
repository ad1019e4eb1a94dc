// qlora inspect: what is in a checkpoint, an adapter or a run folder, bytes by part; or a few examples of a dataset, masks shown.
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { openCheckpoint } from "@qlora/safetensors";
import { trainSchema } from "@qlora/trainer";
import { z } from "zod";
import { command } from "../command.js";
import { CommandError, UsageError } from "../errors.js";
import { printable, result } from "../terminal.js";
import { inspectAdapter } from "./inspect/adapter.js";
import { inspectData } from "./inspect/data.js";
import { inspectModel } from "./inspect/model.js";
import type { Report } from "./inspect/report.js";
import { inspectRun } from "./inspect/run.js";

const { template, maxLength, trainOnSource, dataFormat } = trainSchema.shape;

export const inspectCommand = command({
  name: "inspect",
  summary: "what is in a checkpoint, adapter, run folder or dataset",
  schema: z.strictObject({
    path: z.string().min(1).optional().describe("a model, an adapter, a run folder or a .safetensors file"),
    data: z.string().min(1).optional().describe("a dataset: shows examples with what is not learned marked"),
    model: z.string().min(1).optional().describe("with --data: the model whose tokenizer and template to use"),
    examples: z.number().int().nonnegative().default(3).describe("with --data: how many to show"),
    dataFormat,
    template,
    maxLength,
    trainOnSource,
    tensors: z.boolean().default(false).describe("list every tensor"),
    json: z.boolean().default(false).describe("one JSON object on stdout"),
  }),
  positionals: ["path"],
  examples: [
    "qlora inspect my-model",
    "qlora inspect runs/mine",
    "qlora inspect --data alpaca.json",
    "qlora inspect --data alpaca.json --model my-model",
  ],
  run(options) {
    const { path, data, json } = options;
    if ((path === undefined) === (data === undefined)) throw new UsageError("give a path, or --data FILE");
    const report = data === undefined ? inspectPath(path!, options.tensors) : inspectData({ ...options, data });
    result(json, report.json, report.styled ? report.text : printable(report.text));
  },
});

function inspectPath(path: string, tensors: boolean): Report {
  if (!existsSync(path)) throw new CommandError(`${path} does not exist`);
  const holds = (name: string) => existsSync(join(path, name));
  if (holds("log.jsonl")) return inspectRun(path);
  if (holds("adapter_config.json")) return inspectAdapter(path);
  if (statSync(path).isFile() && !path.endsWith(".safetensors"))
    throw new CommandError(`${path} is no .safetensors file; a dataset is shown with --data ${path}`);
  using checkpoint = openCheckpoint(path);
  return inspectModel(path, checkpoint, tensors);
}
