// Training steps of models that do not fit the heap: 7B, 13B and 33B shapes of random weights in a mapped 4-bit file. Each is one
// step in a process of its own, whose memory is watched; files go to the system's folder for temporary ones and are removed.
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BigStep } from "./big-step.js";
import { writeRandomCheckpoint } from "./random-checkpoint.js";
import type { Shape } from "./random-model.js";
import { commitName, machineName, type Result } from "./result.js";

/** LLaMA (Touvron et al. 2023, Table 2), and the tokens of the step. */
const shapes: Record<string, Shape & { tokens: number }> = {
  "7B": { hidden: 4096, layers: 32, ffn: 11008, heads: 32, vocab: 32000, tokens: 512 },
  "13B": { hidden: 5120, layers: 40, ffn: 13824, heads: 40, vocab: 32000, tokens: 128 },
  "33B": { hidden: 6656, layers: 60, ffn: 17920, heads: 52, vocab: 32000, tokens: 128 },
};
export const bigStepNames = Object.keys(shapes).flatMap((name) => [`${name} step`, `${name} step int8`]);

/** Guanaco (Dettmers et al. 2023, Table 9): 1875 steps of 16 sequences of at most 512 tokens. */
const guanacoTokens = 1875 * 16 * 512;

/** The steps whose names `filter` asks for, one after another; each result is given to `onResult`, with lines about it. */
export async function bigSteps(
  filter: RegExp,
  threads: number,
  simd: string,
  onResult: (result: Result, notes: string[]) => void,
): Promise<void> {
  for (const [size, shape] of Object.entries(shapes)) {
    const wanted = (["f32", "int8"] as const).filter((compute) => filter.test(nameOf(size, compute)));
    if (wanted.length === 0) continue;
    const dir = mkdtempSync(join(tmpdir(), `qlora-${size}-`));
    const remove = () => rmSync(dir, { recursive: true, force: true });
    process.once("exit", remove);
    try {
      refuseFullDisk(dir, shape);
      writeRandomCheckpoint(dir, shape, (bytes) =>
        process.stderr.write(`\r  writing ${size}: ${(bytes / 1e9).toFixed(1)} GB`),
      );
      process.stderr.write("\r                        \r");
      for (const compute of wanted) {
        const { step, peak } = await watch(dir, shape.tokens, compute, threads);
        const { seconds, expected, loss } = step;
        const tokensPerSecond = shape.tokens / (seconds.passes + seconds.optimizer);
        const gb = (bytes: number) => `${(bytes / 1e9).toFixed(2)} GB`;
        const notes = [
          `loss ${loss.toFixed(3)}; loading ${seconds.load.toFixed(1)} s, passes ${seconds.passes.toFixed(1)} s, optimiser ${seconds.optimizer.toFixed(1)} s`,
          `peak memory of its own ${gb(peak.anonymous)} (expected ${gb(expected.own)}), of files ${gb(peak.file)} (mapped ${gb(expected.mapped)})`,
          `Guanaco's recipe, 1875 steps of 16 sequences of at most 512 tokens: at most ${(guanacoTokens / tokensPerSecond / 86400).toFixed(1)} days`,
        ];
        onResult(
          {
            name: nameOf(size, compute),
            device: `cpu ${simd}`,
            threads,
            shape: `${shape.hidden} × ${shape.layers}, ffn ${shape.ffn}, vocab ${shape.vocab}, 1 × ${shape.tokens} tokens`,
            value: tokensPerSecond,
            unit: "tokens/s",
            spread: 0,
            ceiling: null,
            percentOfCeiling: null,
            peers: [],
            machine: machineName(),
            commit: commitName(),
            date: new Date().toISOString(),
          },
          notes,
        );
      }
    } finally {
      remove();
      process.off("exit", remove);
    }
  }
}

const nameOf = (size: string, compute: "f32" | "int8") => `${size} step${compute === "int8" ? " int8" : ""}`;

/** Weights in 4 bits, embedding and head in 16, and the optimiser's pages, with a tenth to spare. */
function refuseFullDisk(dir: string, { hidden, layers, ffn, vocab }: Shape): void {
  const linear = layers * (4 * hidden * hidden + 3 * hidden * ffn);
  const adapters = layers * 64 * (8 * hidden + 3 * (hidden + ffn));
  const needed = 1.1 * (linear * 0.52 + 4 * vocab * hidden + 8 * adapters);
  const { bavail, bsize } = statfsSync(dir);
  if (bavail * bsize < needed)
    throw new Error(
      `${dir}: ${(needed / 1e9).toFixed(0)} GB are needed, ${((bavail * bsize) / 1e9).toFixed(0)} are free; name another folder in TMPDIR`,
    );
}

/** Runs the step and watches the process's memory ten times a second (Linux; 0 elsewhere). */
async function watch(dir: string, tokens: number, compute: string, threads: number) {
  const child = spawn(process.execPath, [join(import.meta.dirname, "big-step.js"), dir, String(tokens), compute], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, QLORA_THREADS: String(threads) },
  });
  const peak = { anonymous: 0, file: 0 };
  const sample = setInterval(() => {
    const { RssAnon = 0, RssFile = 0 } = resident(child.pid!);
    peak.anonymous = Math.max(peak.anonymous, RssAnon);
    peak.file = Math.max(peak.file, RssFile);
  }, 100);
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
  try {
    const code = await new Promise((resolve, reject) => child.once("error", reject).once("close", resolve));
    if (code !== 0) throw new Error(`the step ended with exit code ${code}`);
  } finally {
    clearInterval(sample);
  }
  return { step: JSON.parse(output) as BigStep, peak };
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
