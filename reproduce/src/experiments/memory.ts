// Memory (§4, Fig. 6): what `qlora estimate` says of LLaMA's shapes, and the estimate against a process's measured peak.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { llama, NoRoomError, trainBigModel, type WatchedStep } from "bench/big-model";
import { packageCode, trainingCode } from "../code.js";
import { type Claim, type Context, type Experiment, type Outcome, verdictOf } from "../experiment.js";
import { type Shape, writeRandomCheckpoint } from "../measure/random-checkpoint.js";
import { root } from "../paths.js";
import { keyOf } from "../results.js";
import { fineTuneProcess } from "../training.js";
import { questionSet } from "./question-set.js";
import { recipe } from "./recipe.js";

/** Figure 6: batch 1, 512 tokens, adapters and base, in GiB by its parts; and LLaMA's parameters. */
const figure6 = { "7b": 6.9, "13b": 11.3, "33b": 24.7, "65b": 45.0 };
type Size = keyof typeof figure6;
const sizes = Object.keys(figure6) as Size[];

/** Random weights of these shapes are trained for a step, and the peak of the process is read. */
const measuredShapes: Record<"quick" | "full", Shape> = {
  quick: { hidden: 512, ffn: 1408, layers: 4, vocab: 8000 },
  full: { hidden: 2048, ffn: 5632, layers: 4, vocab: 32000 },
};

/** Shapes of LLaMA that a small machine holds in 4 bits, and the tokens of the one step that each is trained: their time, not their memory, limits them. */
const bigSteps = { "7B": 128, "13B": 64, "33B": 32 };

export const memory: Experiment = {
  name: "memory",
  title: "Memory",
  async run(context) {
    const estimated = await estimates(context);
    const measured = await measuredPeak(context);
    const big = context.quick ? [] : await bigModels(context);
    return { claims: [...estimated.claims, ...measured.claims, ...big], details: estimated.details };
  },
};

interface Estimate {
  parameters: number;
  parts: { name: string; bytes: number }[];
  total: number;
}

async function estimates({ results }: Context): Promise<Outcome> {
  const estimate = (size: Size, ...more: string[]) => {
    const flags = ["--shape", size, "--rank", "64", "--seq", "512", "--batch", "1", ...more];
    return results.once(keyOf("estimate", flags, packageCode("cli", "trainer", "transformer")), () =>
      runEstimate(flags),
    );
  };
  const each = (...more: string[]) => Promise.all(sizes.map((size) => estimate(size, ...more)));
  const [gpu, cpu, full] = [
    await each("--device", "cuda", "--gpu-memory", "44GiB"),
    await each("--device", "cpu"),
    await each("--method", "full", "--optimizer", "adamw-32bit"),
  ];
  const gib = (bytes: number) => bytes / 2 ** 30;
  const claims = sizes.map((size, i): Claim => {
    const ours = gib(gpu[i]!.total);
    return {
      claim: `QLoRA memory of LLaMA ${size.toUpperCase()}`,
      paper: `${figure6[size].toFixed(1)} GB (Fig. 6)`,
      ours: `${ours.toFixed(1)} GiB`,
      how: "`qlora estimate --device cuda`, 0.5 GiB of context included: rank 64, one sequence of 512 tokens, checkpointing; within 10 %",
      verdict: verdictOf(Math.abs(ours / figure6[size] - 1) < 0.1),
      note: "Fig. 6 has larger base weights and smaller adapters (an FFN of 4 h, bf16); this project's are f32",
    };
  });
  const [largest, whole] = [gpu.at(-1)!, full.at(-1)!];
  claims.push(
    {
      claim: "65B fits a 48 GB GPU",
      paper: "< 48 GB (§1)",
      ours: `${(largest.total / 1e9).toFixed(1)} GB`,
      how: "the same, with `--gpu-memory 44GiB`: what does not fit of the paged optimiser's state lies on the host",
      verdict: verdictOf(largest.total < 48e9),
      note: "0.5 GiB for the CUDA context is assumed; no peak on a GPU was measured",
    },
    {
      claim: "Full fine-tuning of 65B",
      paper: "> 780 GB in 16 bits (§1)",
      ours: `${((12 * whole.parameters) / 1e9).toFixed(0)} GB; ${(whole.total / 1e9).toFixed(0)} GB as \`--method full\` does it`,
      how: "12 bytes a parameter (weight and gradient in 16 bits, two moments in f32); `qlora estimate --method full` is f32 throughout",
      verdict: verdictOf(12 * whole.parameters > 780e9),
    },
  );
  const mib = (estimate: Estimate, name: string) =>
    Math.round((estimate.parts.find((part) => part.name === name)?.bytes ?? 0) / 2 ** 20).toLocaleString("en");
  const parts = ["base model", "adapters", "optimiser", "block inputs", "activations", "scratch", "logits"];
  const rows = [
    ...parts.map((name) => [`${name}, MiB`, ...gpu.map((estimate) => mib(estimate, name))]),
    ["GPU, total GiB", ...gpu.map(({ total }) => gib(total).toFixed(2))],
    ["CPU, total GiB", ...cpu.map(({ total }) => gib(total).toFixed(2))],
    ["paper (Fig. 6), GB", ...sizes.map((size) => figure6[size].toFixed(1))],
    ["full fine-tuning in f32, GiB", ...full.map(({ total }) => gib(total).toFixed(0))],
  ];
  const text =
    "NF4 with double quantisation, embedding and head in bf16, adapters of rank 64 with their gradients in f32, paged AdamW in 32 bits, of whose state 4 GiB are in the CPU's memory, and what fits of it in 44 GiB of a GPU's, activation checkpointing. The GPU's total has 0.5 GiB for CUDA's context, the CPU's has Node.";
  const head = ["", ...sizes.map((size) => size.toUpperCase())];
  return { claims, details: [{ heading: "LLaMA, by part", text, table: { head, rows } }] };
}

function runEstimate(flags: string[]): Estimate {
  const program = join(root, "packages/cli/dist/main.js");
  const json = execFileSync(process.execPath, [program, "estimate", ...flags, "--json"], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  });
  return JSON.parse(json) as Estimate;
}

async function measuredPeak({ quick, results, say }: Context): Promise<Outcome> {
  const shape = measuredShapes[quick ? "quick" : "full"];
  const { hidden, ffn, layers, vocab } = shape;
  const peak = await results.once(keyOf("peak", shape, trainingCode()), async () => {
    say(`  a step of ${layers} blocks of ${hidden} features, ${vocab} tokens of vocabulary`);
    const dir = mkdtempSync(join(tmpdir(), "qlora-reproduce-"));
    try {
      writeRandomCheckpoint(join(dir, "model"), shape);
      const data = { model: join(dir, "model"), data: questionSet(32, 0), heldOutData: questionSet(4, 0) };
      const { options } = recipe(data, { steps: 1, seeds: [1] }, 1);
      return await fineTuneProcess({ options, ask: 0 });
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });
  const mib = (bytes: number) => Math.round(bytes / 2 ** 20);
  const ratio = peak.expectedBytes / peak.peakBytes;
  const claim: Claim = {
    claim: "The estimate is what a process takes",
    paper: "–",
    ours: `${mib(peak.expectedBytes)} MiB estimated, ${mib(peak.peakBytes)} MiB at the peak (${ratio.toFixed(3)})`,
    how: `largest resident memory of a training process: ${hidden} × ${layers}, ffn ${ffn}, vocabulary ${vocab}, rank 64, 16 sequences; within 10 %`,
    verdict: verdictOf(Math.abs(ratio - 1) < 0.1),
  };
  return { claims: [claim], details: [] };
}

/** A step of each of `bigSteps` with weights in a mapped file; not measured where the disk has no room for the file. */
async function bigModels({ results, training, say }: Context): Promise<Claim[]> {
  const claims: Claim[] = [];
  for (const [size, tokens] of Object.entries(bigSteps) as [keyof typeof bigSteps, number][]) {
    say(`  a step of ${size}, ${tokens} tokens`);
    const how = `peak of a process: rank 64, one sequence of ${tokens} tokens, 256 MiB of the paged optimiser's state in memory, weights mapped from their file; own memory within 10 % of the estimate, all of it below 24 GiB`;
    const row = { claim: `LLaMA ${size} trains in 24 GiB of RAM`, paper: "–", how };
    try {
      const key = keyOf(`step-${size}`, { tokens, shape: llama[size] }, bigStepCode());
      claims.push({
        ...row,
        ...bigClaim(await results.once(key, () => bigStep(llama[size], tokens, training.atOnce))),
      });
    } catch (error) {
      if (!(error instanceof NoRoomError)) throw error;
      claims.push({ ...row, ours: "–", verdict: "not measurable here", note: error.message });
    }
  }
  return claims;
}

async function bigStep(shape: (typeof llama)["7B"], tokens: number, threads: number): Promise<WatchedStep> {
  for await (const step of trainBigModel(shape, tokens, threads, ["f32"])) return step;
  throw new Error("no step was made");
}

function bigClaim({ expected, peak, seconds }: WatchedStep): Pick<Claim, "ours" | "verdict"> {
  const gib = (bytes: number) => (bytes / 2 ** 30).toFixed(2);
  const ratio = expected.own / peak.own;
  const time = (seconds.passes + seconds.optimizer).toFixed(0);
  return {
    ours: `${gib(expected.own)} GiB of its own estimated, ${gib(peak.own)} at the peak (${ratio.toFixed(3)}), ${gib(peak.mapped)} of the file; the step took ${time} s`,
    verdict: verdictOf(Math.abs(ratio - 1) < 0.1 && peak.own + peak.mapped < 24 * 2 ** 30),
  };
}

/** The program of a big step and the packages under it. */
function bigStepCode(): string[] {
  const own = ["big-model", "big-step"].map((name) => join(root, `bench/dist/${name}.js`));
  return [...own, ...packageCode("kernels", "lora", "nf4", "paged-optim", "safetensors", "trainer", "transformer")];
}
