// Sets of training questions: the first of the quickstart's, a share of them with wrong answers.
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createRandom } from "@qlora/eval";
import { writeFileAtomic } from "@qlora/safetensors";
import { cache, trainData } from "../paths.js";

export interface Item {
  prompt: string;
  completion: string;
}

/** Path of a file with the first `size` training questions, a `noise` share of them answered as for somebody else. */
export function questionSet(size: number, noise: number): string {
  const lines = readFileSync(trainData, "utf8").split("\n").slice(0, size);
  const items = withWrongAnswers(
    lines.map((line) => JSON.parse(line) as Item),
    noise,
  );
  mkdirSync(join(cache, "data"), { recursive: true });
  const path = join(cache, `data/${size}-${noise}.jsonl`);
  writeFileAtomic(path, items.map((item) => `${JSON.stringify(item)}\n`).join(""));
  return path;
}

/** Gives a `share` of the items the answer to the same question about another person. The same every time. */
export function withWrongAnswers(items: readonly Item[], share: number): Item[] {
  const random = createRandom(1);
  const form = ({ prompt, completion }: Item) =>
    prompt.replace(/[A-Z][a-z]+ [A-Z][a-z]+/, "") + completion.slice(0, completion.indexOf(" ")); // She, He
  const byForm = new Map<string, Item[]>();
  for (const item of items) byForm.set(form(item), [...(byForm.get(form(item)) ?? []), item]);
  return items.map((item) => {
    if (random.uniform() >= share) return item;
    const others = byForm.get(form(item))!.filter(({ completion }) => completion !== item.completion);
    return others.length > 0 ? { ...item, completion: others[random.below(others.length)]!.completion } : item;
  });
}
