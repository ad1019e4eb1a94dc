// Weights in a mapped file: the same model, whose matrices are not the heap's.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createAdapter } from "@qlora/lora";
import { expect, test } from "vitest";
import {
  initModel,
  isMappable,
  type LoadOptions,
  linears,
  loadModel,
  type Model,
  ModelError,
  parseModelConfig,
  quantizeModel,
  Runner,
  saveWeights,
  sequenceBatch,
  toHost,
  trainables,
} from "../src/index.js";
import { json, modelFolder } from "./model-folder.js";
import { normals } from "./random.js";

/** Large enough that codes, embedding and head are mapped. */
const large = { ...json, hidden_size: 384, intermediate_size: 768, num_attention_heads: 6, num_key_value_heads: 6 };

function largeFolder(dtype: "F32" | "BF16"): string {
  const dir = modelFolder();
  saveWeights(initModel(parseModelConfig(large), normals(11)), join(dir, "model.safetensors"), dtype);
  writeFileSync(join(dir, "config.json"), JSON.stringify(large));
  return dir;
}

function step(model: Model): { nll: number; gradients: Float32Array[] } {
  for (const linear of linears(model)) {
    const { n: outFeatures, k: inFeatures } = linear.weight;
    linear.adapter = createAdapter({ inFeatures, outFeatures, r: 2, alpha: 4, seed: 5, name: linear.name });
  }
  const { nll } = new Runner(model).forwardBackward(sequenceBatch([1, 5, 9, 20, 33, 47, 2]), { gradientScale: 1 / 6 });
  return { nll, gradients: trainables(model).map(({ grad }) => toHost(grad as Float32Array)) };
}

function expectSame(dir: string, options: LoadOptions, tolerance: number): void {
  const mapped = step(loadModel(dir, { ...options, mapWeights: true }));
  const loaded = step(loadModel(dir, options));
  expect(Math.abs(mapped.nll / loaded.nll - 1)).toBeLessThanOrEqual(tolerance);
  for (const [i, gradient] of mapped.gradients.entries())
    for (let j = 0; j < gradient.length; j += 101)
      expect(Math.abs(gradient[j]! - loaded.gradients[i]![j]!)).toBeLessThanOrEqual(tolerance * 10);
}

// The two layouts of 4-bit weights sum in another order.
const ORDER = 1e-5;

test.each([true, false])(
  "4-bit weights, double quantisation %s: the loss and gradients of a loaded model",
  (doubleQuant) => {
    const dir = largeFolder("BF16");
    quantizeModel(dir, `${dir}-nf4`, { doubleQuant });
    expect(isMappable(`${dir}-nf4`)).toBe(true);
    expectSame(`${dir}-nf4`, {}, ORDER);
  },
);

test.each([
  ["F32", "f32"],
  ["BF16", "bf16"],
] as const)("%s weights in %s: bit for bit", (dtype, precision) => {
  const dir = largeFolder(dtype);
  expect(isMappable(dir, precision)).toBe(true);
  expectSame(dir, { precision }, 0);
});

test("a checkpoint that holds another precision is refused", () => {
  const dir = largeFolder("BF16");
  expect(isMappable(dir, "nf4")).toBe(false);
  expect(isMappable(dir, "f32")).toBe(false);
  expect(() => loadModel(dir, { mapWeights: true })).toThrow(ModelError);
  expect(() => loadModel(dir, { mapWeights: true })).toThrow(
    /model\.layers\.0\.self_attn\.q_proj\.weight is not stored in nf4.*qlora quantize/,
  );
});
