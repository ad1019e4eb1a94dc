// What every command that loads a model shares: its options, and loading it with its adapter and tokenizer.
import { existsSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { setImmediate as tick } from "node:timers/promises";
import { checkVocabulary, loadTokenizer, type Tokenizer } from "@qlora/data";
import { basePrecision, parseConfig, readConfigFile, trainSchema } from "@qlora/trainer";
import { findDevice, linears, loadSteps, type Model, placeAdapter, readModelConfig } from "@qlora/transformer";
import { z } from "zod";
import { readAdapter } from "./adapter.js";
import { deviceOption } from "./device.js";
import { progress } from "./progress.js";
import { say } from "./terminal.js";
import { setThreads, threadsOption } from "./threads.js";

const { blockSize, doubleQuant, mapWeights, compute } = trainSchema.shape;

export const modelOptions = {
  model: z.string().min(1).describe("folder of the model: config.json, model.safetensors, tokenizer.json"),
  adapter: z.string().min(1).optional().describe("folder of a PEFT adapter to use with it"),
  precision: z
    .enum(["nf4", "fp4", "int8", "bf16", "f32"])
    .optional()
    .describe("how the linear layers are kept; default f32, or as the adapter's run had them"),
  blockSize: blockSize
    .unwrap()
    .optional()
    .describe("weights that share one scale, in 4 and 8 bits; default 64, or as in the adapter's run"),
  doubleQuant: doubleQuant
    .unwrap()
    .optional()
    .describe("quantise the scales too; default yes, or as in the adapter's run"),
  mapWeights,
  compute,
  device: deviceOption,
  threads: threadsOption,
};

export interface LoadedModel {
  model: Model;
  tokenizer: Tokenizer;
  /** The chat template that the adapter's run named, if it did. */
  template: string | undefined;
}

/** Loads a model as the options say; a bar shows it where it takes long. Ctrl-C ends it at the next tensor. */
export async function openModel(options: z.output<z.ZodObject<typeof modelOptions>>): Promise<LoadedModel> {
  const { model: dir, adapter, mapWeights, compute } = options;
  const device = findDevice(options.device);
  setThreads(options.threads);
  const config = readModelConfig(dir);
  const tokenizer = loadTokenizer(dir);
  checkVocabulary(tokenizer, { rows: config.vocabSize });
  const run = adapter === undefined ? undefined : trainedWith(adapter);
  const { precision = "f32", blockSize = 64, doubleQuant = true } = { ...run?.options, ...defined(options) };
  const adapters = adapter === undefined ? undefined : readAdapter(adapter, config);

  const bar = progress();
  const started = performance.now();
  const steps = loadSteps(dir, { precision, blockSize, doubleQuant, mapWeights, compute, device });
  let step = steps.next();
  for (; !step.done; step = steps.next()) {
    const { done, total } = step.value;
    if (performance.now() - started > 1000) bar.update(done, total, `loading ${done}/${total} tensors`);
    await tick();
  }
  bar.end();
  const model = step.value;
  for (const linear of linears(model)) {
    const own = adapters?.get(linear.name);
    if (own) linear.adapter = placeAdapter(own, device);
  }
  if (run && options.precision === undefined) say(`Base model in ${precision}, as ${run.path} says`);
  return { model, tokenizer, template: run?.template };
}

/** What the run of an adapter kept its base in, where the adapter lies in a run's folder or is its best checkpoint's. */
function trainedWith(adapter: string) {
  const dir = resolve(adapter);
  const home = basename(dirname(dir)) === "best" ? dirname(dirname(dir)) : dir;
  const path = join(home, "config.yaml");
  if (!existsSync(path)) return undefined;
  try {
    const config = parseConfig(readConfigFile(path));
    const { blockSize, doubleQuant, template } = config;
    return {
      path: join(adapter, home === dir ? "" : "../..", "config.yaml"),
      options: { precision: basePrecision(config), blockSize, doubleQuant },
      template: template === "auto" ? undefined : template,
    };
  } catch {
    return undefined; // some other program's config.yaml
  }
}

function defined<T extends object>(options: T): Partial<T> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Partial<T>;
}
