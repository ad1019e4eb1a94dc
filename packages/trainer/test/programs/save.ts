// Goes on from the newest checkpoint in a folder and saves the next, whose contents are a function of the step alone:
// `save.mjs DIR recipe` as the trainer does it; `save.mjs DIR naive` over the old file, as a control that must fail.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { newestCheckpoint, writeCheckpoint } from "../../src/index.js";

const [dir, how] = process.argv.slice(2) as [string, "recipe" | "naive"];
const values = (step: number, salt: number) =>
  Float32Array.from({ length: 50_000 }, (_, i) => Math.sin(step * 31 + salt + i));
const same = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  a.length === b.length && Array.prototype.every.call(a, (x, i) => x === b[i]);
const fail = (what: string): never => {
  console.error(what);
  process.exit(3);
};

function resume(): number {
  if (how === "naive") {
    if (!existsSync(join(dir, "state.json"))) return 0;
    const { step } = JSON.parse(readFileSync(join(dir, "state.json"), "utf8")) as { step: number };
    for (const [i, name] of ["weights.bin", "optimizer.bin"].entries()) {
      const bytes = readFileSync(join(dir, name));
      const found = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);
      if (!same(found, values(step, i))) fail(`${name} is not that of step ${step}`);
    }
    return step;
  }
  const newest = newestCheckpoint(dir, (message) => fail(message));
  if (!newest) return 0;
  const { step } = newest.state;
  if (!same(newest.weights.get("w")!, values(step, 0)) || !same(newest.optimizer.get("m")!, values(step, 1)))
    fail(`not the checkpoint of step ${step}`);
  return step;
}

function save(step: number): void {
  const [weights, optimizer] = [values(step, 0), values(step, 1)];
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

save(resume() + 1);
