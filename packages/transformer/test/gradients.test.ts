// Gradients of a small model against finite differences, in every mode that trains.
import { describe, expect, test } from "vitest";
import {
  activationBytes,
  type Batch,
  initModel,
  type Model,
  parseModelConfig,
  Runner,
  toHost,
  trainables,
  trainEverything,
  zero,
} from "../src/index.js";
import { adapted } from "./adapted.js";
import { normals } from "./random.js";

const config = parseModelConfig({
  architectures: ["LlamaForCausalLM"],
  hidden_size: 32,
  intermediate_size: 48,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  vocab_size: 50,
  max_position_embeddings: 64,
  rms_norm_eps: 1e-5,
});

/** Two sequences of 7 and 5 tokens; some positions are not learned. */
const batch: Batch = {
  ids: Int32Array.of(1, 4, 9, 16, 25, 36, 49, 2, 3, 5, 7, 11),
  targets: Int32Array.of(-100, 9, 16, 25, -100, 49, -100, 3, 5, 7, 11, -100),
  positions: Int32Array.of(0, 1, 2, 3, 4, 5, 6, 0, 1, 2, 3, 4),
  cuSeqlens: Int32Array.of(0, 7, 12),
};
const dropout = { p: 0.2, seed: 99n };

function loss(model: Model, withDropout: boolean): number {
  const runner = new Runner(model);
  if (!withDropout) return runner.loss(batch).nll;
  return runner.forwardBackward(batch, { gradientScale: 0, dropout }).nll; // a scale of 0 leaves the gradients as they are
}

/** Relative error of the directional derivative along the gradient, by central differences in f32. */
function check(model: Model, withDropout: boolean, checkpointing: boolean): void {
  const parameters = trainables(model);
  for (const { grad } of parameters) zero(grad);
  new Runner(model, { activationMemory: 0 }).forwardBackward(batch, {
    gradientScale: 1,
    checkpointing,
    ...(withDropout ? { dropout } : {}),
  });
  for (const { name, ...parameter } of parameters) {
    const data = toHost(parameter.data);
    const gradient = toHost(parameter.grad).slice();
    const norm = Math.sqrt(gradient.reduce((sum, g) => sum + g * g, 0));
    expect(norm, name).toBeGreaterThan(0);
    const step = 1e-2 * Math.max(1e-1, Math.sqrt(data.reduce((sum, x) => sum + x * x, 0) / 10));
    const original = data.slice();
    const at = (t: number) => {
      for (let i = 0; i < data.length; i++) data[i] = original[i]! + (t * gradient[i]!) / norm;
      return loss(model, withDropout);
    };
    const derivative = (8 * (at(step / 2) - at(-step / 2)) - (at(step) - at(-step))) / (6 * step);
    data.set(original);
    expect(Math.abs(derivative - norm) / norm, `${name}: ${derivative} for ${norm}`).toBeLessThan(TOLERANCE);
  }
}

/** Central differences of fourth order on an f32 loss of about 40: rounding, not truncation, limits them. */
const TOLERANCE = 5e-3;

describe.each([true, false])("gradients with checkpointing %s", (checkpointing) => {
  test("of every weight (full fine-tuning, tied and untied head)", () => {
    for (const tiedHead of [true, false]) {
      const model = initModel({ ...config, tiedHead }, normals(1));
      trainEverything(model);
      check(model, false, checkpointing);
    }
  });

  test.each([false, true])("of adapters, dropout %s", (withDropout) => {
    const model = adapted(initModel(config, normals(2)), { std: 0.2 });
    check(model, withDropout, checkpointing);
  });
});

test("checkpointing changes no bit, however much is kept", () => {
  const deep = { ...config, layers: 4 };
  const ofABlock = activationBytes(deep, batch.ids.length, 7 * 4);
  const run = (activationMemory: number, checkpointing = true) => {
    const model = adapted(initModel(deep, normals(1)), { std: 0.2 });
    const runner = new Runner(model, { activationMemory });
    runner.forwardBackward(batch, { gradientScale: 0.5, checkpointing, dropout });
    return { gradients: trainables(model).map(({ grad }) => toHost(grad)), bytes: runner.bytes };
  };
  const all = run(0, false);
  const kept = [0, 1, 2, 3, 4].map((blocks) => run(blocks * ofABlock));
  for (const { gradients } of kept) expect(gradients).toEqual(all.gradients);
  const extra = kept.map(({ bytes }) => bytes - kept[0]!.bytes);
  expect(extra).toEqual([0, 1, 2, 3, 3].map((blocks) => blocks * ofABlock));
  expect(run(2 * ofABlock - 1).bytes).toBe(kept[1]!.bytes);
  expect(all.bytes).toBe(kept[3]!.bytes);
});

test("sequences of a batch do not see each other", () => {
  const model = initModel(config, normals(4));
  const runner = new Runner(model);
  const both = runner.tokenLosses(batch).slice();
  const second = runner.tokenLosses({
    ids: batch.ids.slice(7),
    targets: batch.targets.slice(7),
    positions: batch.positions.slice(7),
    cuSeqlens: Int32Array.of(0, 5),
  });
  for (const [i, value] of second.entries())
    if (batch.targets[7 + i] !== -100) expect(value).toBeCloseTo(both[7 + i]!, 5);
});
