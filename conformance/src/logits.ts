// A model's logits beside a file of others'.
import { openSafetensors, toFloat32 } from "@qlora/safetensors";
import { type Model, Runner, sequenceBatch } from "@qlora/transformer";
import { expect } from "vitest";

/** The largest difference from the logits in `path`, where each prompt's are named by its index. */
export function logitsDifference(model: Model, prompts: readonly number[][], path: string): number {
  using file = openSafetensors(path);
  const runner = new Runner(model);
  let largest = 0;
  for (const [i, ids] of prompts.entries()) {
    const expected = toFloat32(file.read(String(i)), "F32");
    const found = runner.logits(sequenceBatch(ids));
    expect(found).toHaveLength(expected.length);
    for (let j = 0; j < expected.length; j++) largest = Math.max(largest, Math.abs(found[j]! - expected[j]!));
  }
  return largest;
}
