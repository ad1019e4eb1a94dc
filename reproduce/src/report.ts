// docs/reproduction.md and docs/reproduction.html of a full run.
import { execFileSync } from "node:child_process";
import { cpus } from "node:os";
import { join } from "node:path";
import { simd } from "@qlora/kernels";
import { writeFileAtomic } from "@qlora/safetensors";
import type { Outcome } from "./experiment.js";
import { markdown } from "./markdown.js";
import { page } from "./page.js";
import { root } from "./paths.js";

export interface Chapter extends Outcome {
  title: string;
}

export interface Facts {
  title: string;
  text: string;
  /** Command, machine and date. */
  measured: string;
  /** Claims by verdict. */
  counts: Record<string, number>;
}

/** Writes both files and returns their paths. */
export function writeReport(chapters: readonly Chapter[]): string[] {
  const facts: Facts = {
    title: "The paper's claims, measured again",
    text: "Claims of QLoRA (Dettmers, Pagnoni, Holtzman, Zettlemoyer 2023, arXiv 2305.14314) beside what this repository measures. Training and perplexity are measured on models of 0.26 and 2 million parameters: they show whether an effect is there at that size, not how large it is at 65 billion.",
    measured: `pnpm reproduce on ${machine()}, ${new Date().toISOString().slice(0, 10)}, commit ${commit()}`,
    counts: count(chapters),
  };
  const files = { "docs/reproduction.md": markdown, "docs/reproduction.html": page };
  return Object.entries(files).map(([path, render]) => {
    writeFileAtomic(join(root, path), render(chapters, facts));
    return path;
  });
}

function count(chapters: readonly Chapter[]): Record<string, number> {
  const counts: Record<string, number> = { reproduces: 0, "does not reproduce": 0, "not measurable here": 0 };
  for (const { claims } of chapters) for (const { verdict } of claims) counts[verdict]!++;
  return counts;
}

function machine(): string {
  return `${cpus()[0]?.model.trim() ?? "an unknown processor"} (${cpus().length} cores, ${simd()})`;
}

function commit(): string {
  try {
    return execFileSync("git", ["rev-parse", "--short", "HEAD"], { cwd: root, encoding: "utf8" }).trim();
  } catch {
    return "unknown";
  }
}
