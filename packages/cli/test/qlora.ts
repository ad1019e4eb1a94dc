// The command as a child process, and the files that tests give it.
import { type ChildProcess, spawn } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openCheckpoint, type TensorData, writeSafetensors } from "@qlora/safetensors";
import { afterAll } from "vitest";
import { program } from "./bundle.js";

const root = join(import.meta.dirname, "../../..");
export const baseModel = join(root, "examples/quickstart/base-model");
export const trainData = join(root, "examples/quickstart/data/train.jsonl");
export const heldOutData = join(root, "examples/quickstart/data/held-out.jsonl");

/** Files beside the repository that some tests need; they say so where it is missing. */
export const shared = join(root, "../shared");
export const hasShared = existsSync(join(shared, "models/stories260K"));
if (!hasShared) console.warn(`${shared} is not there: tests that need its models and data are skipped`);

export interface Finished {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

export interface Options {
  input?: string;
  cwd?: string;
  env?: Record<string, string>;
  /** Called whenever something has been printed, e.g. to send a signal. */
  onOutput?: (so: { stdout: string; stderr: string }, child: ChildProcess) => void;
}

/** Runs `qlora <argv>` to its end. */
export function qlora(argv: string[], options: Options = {}): Promise<Finished> {
  const child = spawn(process.execPath, [program, ...argv], {
    cwd: options.cwd ?? scratch,
    env: { ...process.env, QLORA_THREADS: "2", NO_COLOR: "", ...options.env },
  });
  const so = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const)
    child[name].setEncoding("utf8").on("data", (text: string) => {
      so[name] += text;
      options.onOutput?.(so, child);
    });
  child.stdin.end(options.input ?? "");
  return new Promise((done) => {
    child.on("close", (code, signal) => done({ code, signal, ...so }));
  });
}

/** The JSON document that a command printed; fails where stdout holds anything else. */
export async function json<T = Record<string, unknown>>(argv: string[], options?: Options): Promise<T> {
  const { code, stdout, stderr } = await qlora([...argv, "--json"], options);
  if (code !== 0) throw new Error(`exit ${code}: ${stderr}`);
  if (!/^[^\n]*\n$/.test(stdout)) throw new Error(`not one line: ${stdout}`);
  return JSON.parse(stdout) as T;
}

/** A folder that goes away with the tests. */
export const scratch = mkdtempSync(join(tmpdir(), "qlora-cli-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

let count = 0;
/** A path in `scratch` that nothing has been written to. */
export function fresh(name = "path"): string {
  return join(scratch, `${name}-${count++}`);
}

export function write(name: string, text: string | Uint8Array): string {
  const path = fresh(name);
  writeFileSync(path, text);
  return path;
}

/** A copy of the base model, its files changed by `edit`. */
export function model(edit: (dir: string) => void = () => {}): string {
  const dir = fresh("model");
  cpSync(baseModel, dir, { recursive: true });
  edit(dir);
  return dir;
}

export function editJson(path: string, edit: (json: Record<string, unknown>) => void): void {
  const value = JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>;
  edit(value);
  writeFileSync(path, JSON.stringify(value));
}

/** Splits a model's weights into `shards` files with an index, as Hugging Face does. */
export function shard(dir: string, shards: number): void {
  const name = (i: number) => `model-0000${i + 1}-of-0000${shards}.safetensors`;
  const weight_map: Record<string, string> = {};
  {
    using checkpoint = openCheckpoint(dir);
    const parts: TensorData[][] = Array.from({ length: shards }, () => []);
    for (const [i, { name: tensor, dtype, shape }] of [...checkpoint.tensors.values()].entries()) {
      parts[i % shards]!.push({ name: tensor, dtype, shape, data: checkpoint.read(tensor) });
      weight_map[tensor] = name(i % shards);
    }
    for (const [i, tensors] of parts.entries()) writeSafetensors(join(dir, name(i)), tensors);
  }
  rmSync(join(dir, "model.safetensors"));
  writeFileSync(join(dir, "model.safetensors.index.json"), JSON.stringify({ metadata: {}, weight_map }));
}

/** Everything below a folder, for "nothing was written". */
export function empty(dir: string): boolean {
  return !existsSync(dir);
}

/** A folder that nothing can be written to whoever asks: below a file. */
export function underFile(): string {
  const file = write("file", "x");
  return join(file, "run");
}

export function folder(files: Record<string, string> = {}): string {
  const dir = fresh("folder");
  mkdirSync(dir);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(dir, name), text);
  return dir;
}
