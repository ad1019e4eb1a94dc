// Models on a device beside the same models on the CPU: logits, loss, every gradient, twenty steps, generation, nothing left behind.
import { type DeviceId, leaks, memoryStats } from "@qlora/cuda-runtime";
import { AdamW } from "@qlora/paged-optim";
import { afterEach, expect, test } from "vitest";
import {
  type Batch,
  Decoder,
  type Device,
  freeModel,
  generate,
  linears,
  loadModel,
  type Model,
  type Precision,
  Runner,
  sequenceBatch,
  toHost,
  trainables,
  trainEverything,
  zero,
} from "../../src/index.js";
import { adapted } from "../adapted.js";
import { distance } from "../distance.js";
import { modelFolder } from "../model-folder.js";

/** Activations are bf16 (8 bits of precision, 2⁻⁸ between numbers) and pass through about twenty roundings. */
const LOGITS = 3e-2;
const LOSS = 1e-2;
/** Gradients pass through as many again, and are sums of terms that cancel. */
const GRADIENT = 6e-2;

const batch: Batch = {
  ids: Int32Array.of(1, 4, 9, 16, 25, 36, 49, 2, 3, 5, 7, 11, 13),
  targets: Int32Array.of(-100, 9, 16, 25, -100, 49, -100, 3, 5, 7, 11, 13, -100),
  positions: Int32Array.of(0, 1, 2, 3, 4, 5, 6, 0, 1, 2, 3, 4, 5),
  cuSeqlens: Int32Array.of(0, 7, 13),
};
const targets = batch.targets.filter((target) => target !== -100).length;
const dropout = { p: 0.1, seed: 7n };

const suited = (model: Model) => adapted(model, { r: 8, std: 0.05 });

/** The same model on the CPU and on the device. */
function pair(dir: string, device: Device, precision: Precision): [Model, Model] {
  return [loadModel(dir, { precision }), loadModel(dir, { precision, device })];
}

function train(model: Model, steps: number): number[] {
  const parameters = trainables(model);
  using runner = new Runner(model);
  using optimizer = new AdamW(parameters, { lr: 5e-3 });
  return Array.from({ length: steps }, () => {
    for (const { grad } of parameters) zero(grad);
    const { nll } = runner.forwardBackward(batch, { gradientScale: 1 / targets, dropout });
    optimizer.step({ maxNorm: 0.3 });
    return nll / targets;
  });
}

export default function modelSuite(device: DeviceId): void {
  const [dir, f32] = [modelFolder(), modelFolder({}, "F32")];
  afterEach(() => expect(leaks()).toEqual([]));

  test.each(["nf4", "fp4", "bf16", "f32"] as const)("logits and loss, base in %s", (precision) => {
    const [cpu, there] = pair(dir, device, precision).map(suited) as [Model, Model];
    using runner = new Runner(there);
    const reference = new Runner(cpu);
    expect(distance(runner.logits(batch), reference.logits(batch))).toBeLessThan(LOGITS);
    expect(Math.abs(runner.loss(batch).nll / reference.loss(batch).nll - 1)).toBeLessThan(LOSS);
    const [mine, others] = [runner.tokenLosses(batch), reference.tokenLosses(batch)];
    expect(mine.map(Number.isNaN as never)).toEqual(others.map(Number.isNaN as never));
    freeModel(there);
  });

  test.each([true, false])("gradients of adapters, checkpointing %s", (checkpointing) => {
    const gradients = pair(dir, device, "nf4").map((model) => {
      suited(model);
      using runner = new Runner(model);
      const parameters = trainables(model);
      runner.forwardBackward(batch, { gradientScale: 1 / targets, checkpointing, dropout });
      const copies = parameters.map(({ name, grad }) => [name, toHost(grad).slice()] as const);
      freeModel(model);
      return new Map(copies);
    });
    for (const [name, gradient] of gradients[0]!)
      expect(distance(gradients[1]!.get(name)!, gradient), name).toBeLessThan(GRADIENT);
  });

  test("weights of a block decoded once for recomputation and backward: the same bits", () => {
    const tokens = 1030; // cuBLAS or not, decoding pays
    const ids = Int32Array.from({ length: tokens }, (_, i) => (i * 37) % 96);
    const long: Batch = {
      ids,
      targets: Int32Array.from(ids, (_, i) => (i % 103 === 5 ? 7 : -100)),
      positions: ids.map((_, i) => i % 10),
      cuSeqlens: Int32Array.from({ length: 104 }, (_, i) => i * 10),
    };
    const model = suited(loadModel(dir, { precision: "nf4", device }));
    const [kept, each] = [true, false].map((decodeBlocks) => {
      using runner = new Runner(model, { decodeBlocks });
      for (const { grad } of trainables(model)) zero(grad);
      const { nll } = runner.forwardBackward(long, { gradientScale: 0.1 });
      return { nll, gradients: trainables(model).map(({ grad }) => toHost(grad).slice()), bytes: runner.bytes };
    });
    expect(kept!.nll).toBe(each!.nll);
    expect(kept!.gradients).toEqual(each!.gradients);
    const bf16 = [...linears(model)].map(({ weight }) => 2 * weight.n * weight.k);
    const block = bf16.reduce((sum, bytes) => sum + bytes, 0) / model.layers.length;
    expect(kept!.bytes - each!.bytes).toBe(block - Math.max(...bf16));
    freeModel(model);
  });

  test("gradients of every weight (full fine-tuning)", () => {
    const gradients = pair(dir, device, "f32").map((model) => {
      trainEverything(model);
      using runner = new Runner(model);
      runner.forwardBackward(batch, { gradientScale: 1 / targets });
      const copies = trainables(model).map(({ name, grad }) => [name, toHost(grad).slice()] as const);
      freeModel(model);
      return new Map(copies);
    });
    for (const [name, gradient] of gradients[0]!)
      expect(distance(gradients[1]!.get(name)!, gradient), name).toBeLessThan(GRADIENT);
  });

  test("twenty steps: the losses of the CPU, and the same bits again", () => {
    const [cpu, there] = pair(dir, device, "nf4").map(suited) as [Model, Model];
    const [mine, others] = [train(there, 20), train(cpu, 20)];
    expect(others[19]).toBeLessThan(0.6 * others[0]!);
    for (const [i, loss] of others.entries()) expect(Math.abs(mine[i]! / loss - 1), `step ${i}`).toBeLessThan(2 * LOSS);
    freeModel(there);
    const again = suited(loadModel(dir, { precision: "nf4", device }));
    expect(train(again, 20)).toEqual(mine);
    freeModel(again);
  });

  // 600 tokens of room divide the keys into parts, most of which are empty.
  test.each([16, 600])("decoding with the cache gives the logits of the whole sequence; room for %i", (room) => {
    const [cpu, there] = pair(modelFolder({ max_position_embeddings: 600 }), device, "nf4").map(suited) as [
      Model,
      Model,
    ];
    const ids = Array.from(batch.ids);
    const runner = new Runner(cpu);
    {
      using decoder = new Decoder(there, room);
      // The prompt, two single tokens (the second from a graph), several at once, and single ones again.
      for (const [begin, end] of [
        [0, 4],
        [4, 5],
        [5, 6],
        [6, 9],
        [9, 10],
        [10, 11],
        [11, 12],
      ] as const) {
        const logits = decoder.append(ids.slice(begin, end));
        expect(distance(logits, runner.lastLogits(sequenceBatch(ids.slice(0, end)))), `${end}`).toBeLessThan(LOGITS);
      }
    }
    expect([...generate(there, ids, { maxNewTokens: 5, stopIds: [] })].length).toBe(5);
    freeModel(there);
  });

  test("what cannot be on a device is refused, and nothing is left behind", () => {
    expect(() => loadModel(dir, { precision: "int8", device })).toThrow("precision int8 is for --device cpu");
    expect(leaks()).toEqual([]);
  });

  test("embedding and head in bf16, whatever the checkpoint has, unless the base is f32", () => {
    for (const precision of ["nf4", "bf16", "f32"] as const) {
      const model = loadModel(f32, { precision, device });
      for (const { weight } of [model.embedding, model.head])
        expect(weight.data).toMatchObject({ dtype: precision === "f32" ? "f32" : "bf16" });
      freeModel(model);
    }
  });

  test("nothing is leaked", () => {
    const [, there] = pair(dir, device, "nf4");
    const before = memoryStats(device).allocated;
    using runner = new Runner(there);
    runner.loss(batch);
    runner[Symbol.dispose]();
    expect(memoryStats(device).allocated).toBe(before);
    freeModel(there);
    expect(memoryStats(device).allocated).toBeLessThan(before);
  });
}
