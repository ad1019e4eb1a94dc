// Checkpoints that are written for the bench load: the streamed one, with weights that are random and of the right size, and a model in memory.
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { dequantize } from "@qlora/nf4";
import { hostTensor, isMappable, loadModel, type Model, Runner, sequenceBatch } from "@qlora/transformer";
import { afterAll, expect, test } from "vitest";
import { saveFourBits, writeRandomCheckpoint } from "../src/random-checkpoint.js";
import { modelConfig, randomModel } from "../src/random-model.js";

const dir = mkdtempSync(join(tmpdir(), "random-checkpoint-"));
afterAll(() => rmSync(dir, { recursive: true }));

test("loads, mapped too; near normal weights of variance 1/k, others in every layer; the loss of guessing", () => {
  let last = 0;
  writeRandomCheckpoint(dir, { hidden: 256, layers: 2, ffn: 512, heads: 4, vocab: 1000 }, (bytes) => {
    expect(bytes).toBeGreaterThan(last);
    last = bytes;
  });
  expect(statSync(join(dir, "model.safetensors")).size).toBeGreaterThan(last);
  expect(isMappable(dir)).toBe(true);
  const model = loadModel(dir, { mapWeights: true });
  const weights = model.layers.map(({ up }) => {
    if (up.weight.kind !== "4bit") throw new Error(up.weight.kind);
    return dequantize(hostTensor(up.weight.data)) as Float32Array;
  });
  for (const w of weights) {
    const mean = w.reduce((sum, x) => sum + x, 0) / w.length;
    const variance = w.reduce((sum, x) => sum + x * x, 0) / w.length;
    expect(Math.abs(mean)).toBeLessThan(0.05 / Math.sqrt(256)); // NF4's levels are not quite symmetric
    expect(variance * 256).toBeGreaterThan(0.9);
    expect(variance * 256).toBeLessThan(1.1);
  }
  expect(weights[0]).not.toEqual(weights[1]);
  const { nll, targets } = new Runner(model).loss(sequenceBatch([1, 2, 3, 4, 5, 6, 7, 8]));
  expect(Math.abs(nll / targets / Math.log(1000) - 1)).toBeLessThan(0.2);
});

test("a model in memory, saved in bitsandbytes' layout, is the same model", () => {
  const shape = { hidden: 128, layers: 2, ffn: 192, heads: 4, vocab: 500 };
  const model = randomModel(modelConfig(shape, 64), 0);
  const saved = mkdtempSync(join(dir, "saved-"));
  saveFourBits(model, shape, saved);
  const loss = (model: Model) => new Runner(model).loss(sequenceBatch([1, 2, 3, 4, 5, 6, 7, 8]));
  expect(loss(loadModel(saved))).toEqual(loss(model));
});
