// Writes the quickstart's task: questions about the people of world.ts, train.jsonl and held-out.jsonl.
// `pnpm --filter quickstart data [DIR]`
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Random } from "./random.js";
import { type Question, questions } from "./world.js";

/** Writes both files into `dir`. */
export function makeData(dir: string): void {
  const lines = (items: Question[]) => `${items.map((item) => JSON.stringify(item)).join("\n")}\n`;
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, "train.jsonl"), lines(questions(new Random(2), false)));
  writeFileSync(join(dir, "held-out.jsonl"), lines(questions(new Random(3), true).slice(0, 200)));
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  makeData(process.argv[2] ?? join(import.meta.dirname, "../data"));
