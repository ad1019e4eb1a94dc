// Large batches go through the model in parts, whole sequences each: where they are cut, and that no result knows of it.
import fc from "fast-check";
import { expect, test } from "vitest";
import { type Batch, splitBatch } from "../src/batch.js";
import { initModel, linears, parseModelConfig, Runner, tokensTogether, trainables } from "../src/index.js";
import { project, projectBackward } from "../src/linear.js";
import { Workspace } from "../src/workspace.js";
import { adapted } from "./adapted.js";
import { json } from "./model-folder.js";
import { normals } from "./random.js";

const config = parseModelConfig({ ...json, max_position_embeddings: 1200 });

/** Sequences of these lengths end to end; those of the same length are alike. */
function batchOf(lengths: number[]): Batch {
  const each = lengths.map((length) => Array.from({ length }, (_, i) => (7 * i * i + 3 * i + length) % 50));
  const ids = Int32Array.from(each.flat());
  const positions = Int32Array.from(each.flatMap((sequence) => [...sequence.keys()]));
  const targets = Int32Array.from(each.flatMap(([, ...next]) => [...next, -100]));
  let border = 0;
  return { ids, positions, targets, cuSeqlens: Int32Array.of(0, ...lengths.map((length) => (border += length))) };
}

test("parts are whole sequences, all of them in order, and as few as a limit allows", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 40 })), fc.integer({ min: 1, max: 60 }), (lengths, limit) => {
      const whole = batchOf(lengths);
      const parts = [...splitBatch(whole, limit)];
      let [token, sequence] = [0, 0];
      for (const { batch, start } of parts) {
        const { length } = batch.ids;
        expect(start).toBe(token);
        for (const key of ["ids", "targets", "positions"] as const)
          expect(batch[key]).toEqual(whole[key].subarray(token, token + length));
        const borders = whole.cuSeqlens.slice(sequence, sequence + batch.cuSeqlens.length).map((b) => b - token);
        expect(batch.cuSeqlens).toEqual(borders);
        sequence += borders.length - 1;
        token += length;
        expect(borders.length === 2 || length <= limit).toBe(true);
        if (sequence < lengths.length) expect(length + lengths[sequence]!).toBeGreaterThan(limit);
      }
      expect([token, sequence]).toEqual([whole.ids.length, lengths.length]);
    }),
  );
});

test("tokens together: on the CPU up to 1024, or one longer sequence; on a device all", () => {
  expect(tokensTogether("cpu", 300, 100)).toBe(300);
  expect(tokensTogether("cpu", 8192, 128)).toBe(1024);
  expect(tokensTogether("cpu", 8192, 2000)).toBe(2000);
  expect(tokensTogether("cuda-emu", 8192, 128)).toBe(8192);
});

test("loss and gradients are those of the sequences; the memory is that of a part", () => {
  const lengths = [700, 500, 300, 1100, 20];
  const together = adapted(initModel(config, normals(1)));
  const apart = adapted(initModel(config, normals(1)));
  const runner = new Runner(together, { tokens: 2620, longest: 1100 });
  const options = { gradientScale: 1 / 2615 };
  const batch = batchOf(lengths);
  const whole = runner.forwardBackward(batch, options);
  const parts = lengths.map((length) => new Runner(apart).forwardBackward(batchOf([length]), options));
  expect(whole.targets).toBe(2615);
  expect(whole.nll).toBeCloseTo(
    parts.reduce((sum, { nll }) => sum + nll, 0),
    2,
  );
  expect(runner.loss(batch).nll).toBe(whole.nll);
  const losses = runner.tokenLosses(batch).filter((loss) => !Number.isNaN(loss));
  expect(losses.reduce((sum, loss) => sum + loss, 0)).toBeCloseTo(whole.nll, 6);
  const gradients = trainables(together);
  for (const [i, { name, grad }] of trainables(apart).entries()) {
    const [a, b] = [grad as Float32Array, gradients[i]!.grad as Float32Array];
    const difference = Math.hypot(...a.map((value, j) => value - b[j]!)) / Math.hypot(...a);
    expect(difference, name).toBeLessThan(1e-5);
  }
  const longest = new Runner(apart);
  longest.forwardBackward(batchOf([1100]), options);
  expect(runner.bytes).toBeLessThan(1.05 * longest.bytes);
});

test("dropout's mask is the same however a batch is cut", () => {
  const model = adapted(initModel(config, normals(1)));
  const [linear] = linears(model);
  const [m, k, cut] = [70, config.hiddenSize, 33];
  const random = normals(2);
  const [x, dy] = [0, 1].map(() => Float32Array.from({ length: m * k }, random));
  const run = (from: number, to: number) => {
    const [y, dx] = [new Float32Array((to - from) * k), new Float32Array((to - from) * k)];
    const [keep, scratch] = [new Workspace(), new Workspace()];
    const dropout = { p: 0.3, seed: 5n, layer: 1, token: from };
    const rows = (of: Float32Array) => of.subarray(from * k, to * k);
    const group = { x: rows(x!), linears: [linear!], tokens: to - from, site: 2, compute: "f32" as const, dropout };
    project({ ...group, outputs: [y], keep, scratch });
    projectBackward({ ...group, gradients: [rows(dy!)], dx, keep, scratch });
    return { y, dx };
  };
  const [whole, first, second] = [run(0, m), run(0, cut), run(cut, m)];
  for (const key of ["y", "dx"] as const)
    for (const [i, value] of [...first[key], ...second[key]].entries()) expect(value).toBeCloseTo(whole[key][i]!, 5);
});

test("dropout differs from part to part", () => {
  const options = { gradientScale: 1, dropout: { p: 0.3, seed: 5n } };
  const nll = (lengths: number[]) =>
    new Runner(adapted(initModel(config, normals(1)), { std: 1 })).forwardBackward(batchOf(lengths), options).nll;
  const [one, two] = [nll([800]), nll([800, 800])];
  expect(Math.abs(two - 2 * one) / one).toBeGreaterThan(1e-4);
});
