// int8 products are switched on pass by pass: each switch changes what it names, and nothing else by a single bit.
import { expect, test } from "vitest";
import {
  type Compute,
  Decoder,
  loadModel,
  Runner,
  sequenceBatch,
  toHost,
  trainables,
  trainEverything,
  zero,
} from "../src/index.js";
import { adapted } from "./adapted.js";
import { modelFolder } from "./model-folder.js";

const model = adapted(loadModel(modelFolder(), { precision: "nf4" }));

/** The loss, and gradients of the first layer (recomputed) and the last one (not recomputed). */
function pass(compute: Compute) {
  model.compute = compute;
  for (const { grad } of trainables(model)) zero(grad);
  const runner = new Runner(model, { activationMemory: 0 });
  const { nll } = runner.forwardBackward(sequenceBatch([1, 5, 9, 20, 33, 47]), { gradientScale: 1 });
  const gradient = (layer: number) =>
    trainables(model)
      .filter(({ name }) => name.startsWith(`model.layers.${layer}.`))
      .map(({ grad }) => Array.from(toHost(grad)));
  return {
    nll,
    first: gradient(0),
    last: gradient(1),
    lastDown: Array.from(toHost(model.layers[1]!.down.adapter!.gradB)),
  };
}

/** Of a product in int8, relative: README of @qlora/kernels. */
const ERROR = 0.01;

const f32 = pass("f32");
const only = (name: string): Compute => ({ forward: "f32", recompute: "f32", backward: "f32", [name]: "int8" });

test("a word is all three", () => {
  expect(pass({ forward: "f32", recompute: "f32", backward: "f32" })).toEqual(f32);
  expect(pass({ forward: "int8", recompute: "int8", backward: "int8" })).toEqual(pass("int8"));
});

test("forward: the loss, as with int8 everywhere", () => {
  const { nll } = pass(only("forward"));
  expect(nll).toBe(pass("int8").nll);
  expect(nll).not.toBe(f32.nll);
  expect(Math.abs(nll / f32.nll - 1)).toBeLessThan(0.01);
});

test("recompute: gradients of blocks that are recomputed", () => {
  const { nll, first, last } = pass(only("recompute"));
  expect(nll).toBe(f32.nll);
  expect(last).toEqual(f32.last);
  expect(first).not.toEqual(f32.first);
});

test("backward: gradients, from the head on", () => {
  const { nll, first, last, lastDown } = pass(only("backward"));
  expect(nll).toBe(f32.nll);
  expect(lastDown).not.toEqual(f32.lastDown);
  expect(last).not.toEqual(f32.last);
  expect(first).not.toEqual(f32.first);
});

test("the head too, whose weights are dense; not where they train", () => {
  const blockless = loadModel(modelFolder(), { precision: "f32" });
  blockless.layers.length = 0;
  const loss = (compute: Compute) => {
    blockless.compute = compute;
    return new Runner(blockless).loss(sequenceBatch([1, 5, 9, 20, 33, 47])).nll;
  };
  expect(loss("int8")).not.toBe(loss("f32"));
  expect(Math.abs(loss("int8") / loss("f32") - 1)).toBeLessThan(0.01);
  trainEverything(blockless);
  expect(loss("int8")).toBe(loss("f32"));
});

test("the head's gradient: probabilities beside a target are not rounded away", () => {
  const { embedding, ...rest } = loadModel(modelFolder(), { precision: "f32" });
  if (embedding.weight.kind !== "dense") throw new Error(embedding.weight.kind);
  const grad = new Float32Array(embedding.weight.n * embedding.weight.k);
  embedding.weight.grad = grad;
  const gradient = (compute: Compute) => {
    grad.fill(0);
    const runner = new Runner({ ...rest, embedding, layers: [], compute });
    runner.forwardBackward(sequenceBatch([1, 5, 9, 20, 33, 47]), { gradientScale: 1 });
    return grad.slice();
  };
  const [exact, found] = [gradient("f32"), gradient("int8")];
  const norm = (x: Float32Array) => Math.sqrt(x.reduce((sum, v) => sum + v * v, 0));
  expect(norm(found.map((v, i) => v - exact[i]!)) / norm(exact)).toBeLessThan(ERROR);
});

test("one row stays f32: decoding token by token, but not a prompt", () => {
  const logits = (compute: Compute, parts: number[][]) => {
    const decoder = new Decoder({ ...model, compute }, 8);
    return parts.map((ids) => Array.from(decoder.append(ids))).at(-1)!;
  };
  expect(logits("int8", [[1], [5], [9]])).toEqual(logits("f32", [[1], [5], [9]]));
  expect(logits("int8", [[1, 5, 9]])).not.toEqual(logits("f32", [[1, 5, 9]]));
});
