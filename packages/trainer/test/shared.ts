// What the tests share: a tiny model in a folder, data, and ways to run a training here or in a process of its own.
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { initModel, parseModelConfig, saveWeights } from "@qlora/transformer";
import { onTestFinished } from "vitest";
import { type TrainEvent, Trainer, type TrainOptions } from "../src/index.js";

export const quickstart = fileURLToPath(new URL("../../../examples/quickstart/", import.meta.url));
const programs = fileURLToPath(new URL("../node_modules/.cache/programs/", import.meta.url));

/** A folder that goes with the test. */
export function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "qlora-trainer-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** Normals of a fixed stream: Box-Muller over a 32-bit mixer. */
export function normals(seed: number): () => number {
  let state = seed >>> 0;
  const uniform = () => {
    state = (state + 0x9e3779b9) >>> 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    return ((z ^ (z >>> 16)) >>> 0) / 2 ** 32;
  };
  return () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
}

export interface Shape {
  hidden?: number;
  intermediate?: number;
  layers?: number;
  heads?: number;
  kvHeads?: number;
  vocab?: number;
  tied?: boolean;
  dtype?: "F32" | "F16" | "BF16";
  positions?: number;
}

/** Writes a random LLaMA with the quickstart's tokenizer (1024 ids) into `dir`. */
export function makeModel(dir: string, shape: Shape = {}): string {
  const {
    hidden = 64,
    intermediate = 128,
    layers = 2,
    heads = 2,
    kvHeads = 1,
    vocab = 1024,
    tied = true,
    dtype = "BF16",
    positions = 128,
  } = shape;
  mkdirSync(dir, { recursive: true });
  const json = {
    architectures: ["LlamaForCausalLM"],
    model_type: "llama",
    hidden_size: hidden,
    intermediate_size: intermediate,
    num_hidden_layers: layers,
    num_attention_heads: heads,
    num_key_value_heads: kvHeads,
    vocab_size: vocab,
    max_position_embeddings: positions,
    rms_norm_eps: 1e-5,
    tie_word_embeddings: tied,
    bos_token_id: 0,
    eos_token_id: 1,
    torch_dtype: { F32: "float32", F16: "float16", BF16: "bfloat16" }[dtype],
  };
  writeFileSync(join(dir, "config.json"), JSON.stringify(json));
  for (const name of ["tokenizer.json", "tokenizer_config.json"])
    copyFileSync(join(quickstart, "base-model", name), join(dir, name));
  saveWeights(initModel(parseModelConfig(json), normals(7)), join(dir, "model.safetensors"), dtype);
  return dir;
}

/** Writes `count` question-and-answer lines of different lengths. */
export function makeData(path: string, count: number): string {
  const words = ["red", "blue", "green", "seven", "nine", "of", "the", "and", "moon", "sun"];
  const text = (i: number, n: number) =>
    Array.from({ length: n }, (_, j) => words[(i * 7 + j * 3 + ((i * j) % 5)) % words.length]).join(" ");
  const lines = Array.from({ length: count }, (_, i) =>
    JSON.stringify({ prompt: `${text(i, 2 + (i % 5))}?`, completion: ` ${text(i + 1, 1 + (i % 4))}` }),
  );
  writeFileSync(path, `${lines.join("\n")}\n`);
  return path;
}

/** Options of a short run of a tiny model in a fresh folder; the output is `<dir>/run`. */
export function tinyRun(dir: string, options: Partial<TrainOptions> = {}): TrainOptions {
  const model = join(dir, "model");
  if (!existsSync(model)) makeModel(model);
  const data = join(dir, "data.jsonl");
  if (!existsSync(data)) makeData(data, 24);
  return {
    model,
    data,
    output: join(dir, "run"),
    template: "guanaco",
    loraR: 4,
    learningRate: 1e-2,
    batchSize: 2,
    gradientAccumulation: 2,
    maxSteps: 6,
    heldOut: 4,
    saveSteps: 2,
    ...options,
  };
}

/** Runs in this process; returns its events. */
export async function train(
  options: TrainOptions,
  signal?: AbortSignal,
  see?: (event: TrainEvent) => void,
): Promise<TrainEvent[]> {
  const events: TrainEvent[] = [];
  for await (const event of new Trainer(options).run(signal ? { signal } : {})) {
    events.push(event);
    see?.(event);
  }
  return events;
}

export type Printed = TrainEvent | { type: "error"; name: string; code?: string; message: string };

export interface Ended {
  status: number | null;
  signal: NodeJS.Signals | null;
  events: Printed[];
  stderr: string;
}

/** A program of test/programs as JavaScript. */
export const bundled = (name: string) => join(programs, `${name}.mjs`);

/** The command that trains in a process of its own. */
export function trainCommand(options: TrainOptions, crashAfter?: string): string[] {
  return [process.execPath, bundled("train"), JSON.stringify({ options, crashAfter })];
}

function printed(stdout: string): Printed[] {
  return stdout
    .split("\n")
    .filter((line) => line.startsWith("{") && line.endsWith("}"))
    .map((line) => JSON.parse(line) as Printed);
}

/** Runs in a process of its own, to its end. */
export function trainProcess(
  options: TrainOptions,
  { crashAfter, before = [], env = {} }: { crashAfter?: string; before?: string[]; env?: Record<string, string> } = {},
): Ended {
  const [command, ...args] = [...before, ...trainCommand(options, crashAfter)] as [string, ...string[]];
  const { status, signal, stdout, stderr } = spawnSync(command, args, {
    encoding: "utf8",
    maxBuffer: 2 ** 26,
    env: { ...process.env, ...env },
  });
  return { status, signal, events: printed(stdout), stderr };
}

/** The same, with something done to it on the way: `act` is told each event and may kill it. */
export async function trainAndWatch(
  options: TrainOptions,
  act: (event: Printed, kill: (signal: NodeJS.Signals) => void) => void,
): Promise<Ended & { seconds: number }> {
  const [command, ...args] = trainCommand(options) as [string, ...string[]];
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] });
  let [stdout, stderr, seen, started] = ["", "", 0, 0];
  child.stderr.on("data", (chunk) => {
    stderr += chunk;
  });
  child.stdout.on("data", (chunk) => {
    stdout += chunk;
    const lines = stdout.split("\n");
    for (; seen < lines.length - 1; seen++)
      act(JSON.parse(lines[seen]!) as Printed, (signal) => {
        started ||= performance.now();
        child.kill(signal);
      });
  });
  return new Promise((done) =>
    child.on("close", (status, signal) =>
      done({ status, signal, events: printed(stdout), stderr, seconds: (performance.now() - started) / 1000 }),
    ),
  );
}

/**
 * What a run left that must not depend on how often it was interrupted: the adapter (or model), the newest checkpoint's
 * tensors, the best one's, and the log without its timings.
 */
export function result(output: string, step: number): Record<string, string> {
  const hash = (path: string) =>
    existsSync(path) ? createHash("sha256").update(readFileSync(path)).digest("hex") : "absent";
  const log = readFileSync(join(output, "log.jsonl"), "utf8").replace(/,"tokensPerSecond":[^,}]*/g, "");
  return {
    adapter: hash(join(output, "adapter_model.safetensors")),
    model: hash(join(output, "model/model.safetensors")),
    weights: hash(join(output, `checkpoints/step-${step}/weights.safetensors`)),
    optimizer: hash(join(output, `checkpoints/step-${step}/optimizer.safetensors`)),
    log,
  };
}
