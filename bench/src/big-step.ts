// One training step of a model whose weights stay in their file, in a process of its own: `node big-step.js DIR TOKENS COMPUTE`.
// Rank 64 on every linear layer, dropout, checkpointing, AdamW with paged state; what it took goes to stdout as JSON.
import { join } from "node:path";
import { accumulate, estimateMemory, makeOptimizer, makeTrainable, parseConfig } from "@qlora/trainer";
import { loadModel, Runner, trainables } from "@qlora/transformer";
import { progress } from "./progress.js";

/** What the step took, in seconds and bytes. */
export interface BigStep {
  loss: number;
  seconds: { load: number; passes: number; optimizer: number };
  /** Memory of its own that was expected, and weights in the mapped file. */
  expected: { own: number; mapped: number };
}

function bigStep(dir: string, tokens: number, compute: string): BigStep {
  const config = parseConfig({
    model: dir,
    data: "-",
    output: dir,
    mapWeights: true,
    compute,
    optimizerMemory: 256,
    activationMemory: 0,
    maxLength: tokens,
  });
  const process0 = process.memoryUsage().rss;
  const began = performance.now();
  const model = loadModel(dir, { mapWeights: true, compute: config.compute });
  makeTrainable(model, config);
  const parameters = trainables(model);
  const { total: own, mapped } = estimateMemory({ model: model.config, config, tokens, process: process0 });
  using optimizer = makeOptimizer(parameters, config, join(dir, "optimizer.pages"));
  const runner = new Runner(model, {
    tokens,
    targets: tokens - 1,
    longest: tokens,
    activationMemory: config.activationMemory,
  });
  const loaded = performance.now();

  const ids = Int32Array.from({ length: tokens }, (_, i) => (i * 7919) % model.config.vocabSize);
  const { gradientCheckpointing: checkpointing, loraDropout: dropout, seed } = config;
  const passes = accumulate(runner, [[{ ids, labels: ids, example: 0 }]], { checkpointing, dropout, seed, step: 0 });
  const blocks = 2 * model.config.layers + 1;
  let [done, next] = [0, passes.next()];
  for (; !next.done; next = passes.next()) progress(`  block ${++done}/${blocks}`);
  const computed = performance.now();
  progress("  optimiser");
  const { applied } = optimizer.step({ maxNorm: config.maxGradNorm });
  const stepped = performance.now();
  progress();

  const loss = next.value.nll / next.value.targets;
  // Random weights know nothing: the loss is near that of guessing.
  if (!applied || !(Math.abs(loss / Math.log(model.config.vocabSize) - 1) < 0.5))
    throw new Error(`the step is wrong: loss ${loss}, applied ${applied}`);
  const seconds = (from: number, to: number) => (to - from) / 1000;
  return {
    loss,
    seconds: { load: seconds(began, loaded), passes: seconds(loaded, computed), optimizer: seconds(computed, stepped) },
    expected: { own, mapped },
  };
}

const [dir, tokens, compute] = process.argv.slice(2);
if (dir !== undefined) console.log(JSON.stringify(bigStep(dir, Number(tokens), compute!)));
