// Checkpoints whose contents are a function of the step alone, as the trainer writes them ("recipe") and over the old files
// ("naive"), as a control that must fail where the recipe does not.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { newestCheckpoint, writeCheckpoint } from "../src/index.js";

export type How = "recipe" | "naive";

const values = (elements: number, step: number, salt: number) =>
  Float32Array.from({ length: elements }, (_, i) => Math.sin(step * 31 + salt + i));
const same = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  a.length === b.length && Array.prototype.every.call(a, (x, i) => x === b[i]);

/** The step of the newest checkpoint in `dir`, 0 without one. Throws where what is there is not what was saved. */
export function resume(dir: string, how: How, elements: number): number {
  if (how === "naive") {
    if (!existsSync(join(dir, "state.json"))) return 0;
    const { step } = JSON.parse(readFileSync(join(dir, "state.json"), "utf8")) as { step: number };
    for (const [i, name] of ["weights.bin", "optimizer.bin"].entries()) {
      const bytes = new Uint8Array(readFileSync(join(dir, name))).buffer;
      if (!same(new Float32Array(bytes), values(elements, step, i)))
        throw new Error(`${name} is not that of step ${step}`);
    }
    return step;
  }
  const newest = newestCheckpoint(dir, (message) => {
    throw new Error(message);
  });
  if (!newest) return 0;
  const { step } = newest.state;
  if (
    !same(newest.weights.get("w")!, values(elements, step, 0)) ||
    !same(newest.optimizer.get("m")!, values(elements, step, 1))
  )
    throw new Error(`not the checkpoint of step ${step}`);
  return step;
}

export function save(dir: string, how: How, elements: number, step: number): void {
  const [weights, optimizer] = [values(elements, step, 0), values(elements, step, 1)];
  if (how === "naive") {
    mkdirSync(dir, { recursive: true });
    writeFileSync(join(dir, "weights.bin"), weights);
    writeFileSync(join(dir, "optimizer.bin"), optimizer);
    writeFileSync(join(dir, "state.json"), JSON.stringify({ step }));
    return;
  }
  const tensor = (name: string, data: Float32Array) => [{ name, dtype: "F32" as const, shape: [data.length], data }];
  const fingerprint = { configuration: {}, baseModel: "", data: "" };
  const state = { version: 1 as const, step, optimizerSteps: step, logBytes: 0, tokens: 0, simd: "", fingerprint };
  writeCheckpoint(dir, { weights: tensor("w", weights), optimizer: tensor("m", optimizer), state }, 2);
}
