// Models that do not fit the heap: LLaMA's shapes with random weights in a mapped 4-bit file, and a training step of one of them in a
// process of its own, whose memory is watched. The file goes to the system's folder for temporary ones and is removed.
import { spawn } from "node:child_process";
import { readFileSync, statfsSync } from "node:fs";
import { join } from "node:path";
import type { BigStep } from "./big-step.js";
import { scratchFolder, whenLeaving } from "./leaving.js";
import { progress } from "./progress.js";
import { writeRandomCheckpoint } from "./random-checkpoint.js";
import type { Shape } from "./random-model.js";

/** LLaMA (Touvron et al. 2023, Table 2). */
export const llama: Record<"7B" | "13B" | "33B", Shape> = {
  "7B": { hidden: 4096, layers: 32, ffn: 11008, heads: 32, vocab: 32000 },
  "13B": { hidden: 5120, layers: 40, ffn: 13824, heads: 40, vocab: 32000 },
  "33B": { hidden: 6656, layers: 60, ffn: 17920, heads: 52, vocab: 32000 },
};

export interface WatchedStep extends BigStep {
  compute: "f32" | "int8";
  /** Largest resident bytes of the process's own and of files (Linux; 0 elsewhere). */
  peak: { own: number; mapped: number };
}

/** The disk cannot take the file. */
export class NoRoomError extends Error {
  override name = "NoRoomError";
}

/** A step of `tokens` tokens on `threads` threads for each way to compute, on one file. @throws {NoRoomError}; Error where a step fails */
export async function* trainBigModel(
  shape: Shape,
  tokens: number,
  threads: number,
  computes: readonly ("f32" | "int8")[],
): AsyncGenerator<WatchedStep> {
  const { path: dir, remove } = scratchFolder();
  try {
    refuseFullDisk(dir, shape);
    writeRandomCheckpoint(dir, shape, (bytes) => progress(`  writing random weights: ${(bytes / 1e9).toFixed(1)} GB`));
    progress();
    for (const compute of computes) yield { compute, ...(await watch(dir, tokens, compute, threads)) };
  } finally {
    remove();
  }
}

/** Weights in 4 bits, embedding and head in 16, and the optimiser's pages, with a tenth to spare. */
function refuseFullDisk(dir: string, { hidden, layers, ffn, vocab }: Shape): void {
  const linear = layers * (4 * hidden * hidden + 3 * hidden * ffn);
  const adapters = layers * 64 * (8 * hidden + 3 * (hidden + ffn));
  const needed = 1.1 * (linear * 0.52 + 4 * vocab * hidden + 8 * adapters);
  const { bavail, bsize } = statfsSync(dir);
  if (bavail * bsize < needed)
    throw new NoRoomError(
      `${dir}: ${(needed / 1e9).toFixed(0)} GB are needed, ${((bavail * bsize) / 1e9).toFixed(0)} are free; name another folder in TMPDIR`,
    );
}

/** Runs the step and looks at the process's memory ten times a second. */
async function watch(
  dir: string,
  tokens: number,
  compute: string,
  threads: number,
): Promise<Omit<WatchedStep, "compute">> {
  const child = spawn(process.execPath, [join(import.meta.dirname, "big-step.js"), dir, String(tokens), compute], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, QLORA_THREADS: String(threads) },
  });
  const end = whenLeaving(() => child.kill("SIGKILL"));
  const peak = { own: 0, mapped: 0 };
  const sample = setInterval(() => {
    const { RssAnon = 0, RssFile = 0 } = resident(child.pid!);
    peak.own = Math.max(peak.own, RssAnon);
    peak.mapped = Math.max(peak.mapped, RssFile);
  }, 100);
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
  try {
    const code = await new Promise((resolve, reject) => child.once("error", reject).once("close", resolve));
    if (code !== 0) throw new Error(`the step ended with exit code ${code}`);
  } finally {
    clearInterval(sample);
    end();
  }
  return { ...(JSON.parse(output) as BigStep), peak };
}

/** Resident bytes by kind. */
function resident(pid: number): Record<string, number> {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    return Object.fromEntries(
      Array.from(status.matchAll(/^(\w+):\s+(\d+) kB$/gm), ([, name, kib]) => [name!, Number(kib) * 1024]),
    );
  } catch {
    return {};
  }
}
