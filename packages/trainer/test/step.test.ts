// The order of examples, the learning rate, and the gradient of a step however it is cut into passes.
import { join } from "node:path";
import { encodeDataset, loadTokenizer, readDataset } from "@qlora/data";
import { loadModel, type Model, Runner, toHost, trainables } from "@qlora/transformer";
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  accumulate,
  heldOutLoss,
  makeSchedule,
  makeTrainable,
  parseConfig,
  stepOrder,
  type TrainOptions,
} from "../src/index.js";
import { folder, makeData, makeModel } from "./shared.js";

const config = (options: Partial<TrainOptions> = {}) => parseConfig({ model: "m", data: "d", output: "o", ...options });

test("every example once an epoch, the same in every call, another order in the next", () =>
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 60 }),
      fc.integer({ min: 1, max: 5 }),
      fc.integer({ min: 1, max: 4 }),
      fc.boolean(),
      (lengths, batchSize, gradientAccumulation, groupByLength) => {
        const examples = lengths.map((n, example) => ({ ids: new Int32Array(n), labels: new Int32Array(n), example }));
        const order = stepOrder(examples, config({ batchSize, gradientAccumulation, groupByLength, epochs: 2 }));
        const perEpoch = order.steps / 2;
        for (const epoch of [0, 1]) {
          const seen = Array.from({ length: perEpoch }, (_, i) => order.step(epoch * perEpoch + i)).flat(2);
          expect(seen.toSorted((a, b) => a - b)).toEqual(lengths.map((_, i) => i));
        }
        const again = stepOrder(examples, config({ batchSize, gradientAccumulation, groupByLength, epochs: 2 }));
        for (const i of [order.steps - 1, 0]) expect(again.step(i)).toEqual(order.step(i));
        for (let i = 0; i < order.steps; i++)
          for (const pass of order.step(i))
            expect(pass.reduce((sum, at) => sum + lengths[at]!, 0)).toBeLessThanOrEqual(order.largestPass);
      },
    ),
    { numRuns: 200 },
  ));

test("packed passes hold every example once, none more than the budget", () => {
  const lengths = [30, 10, 20, 40, 5, 33, 64, 1];
  const examples = lengths.map((n, example) => ({ ids: new Int32Array(n), labels: new Int32Array(n), example }));
  const order = stepOrder(examples, config({ packTokens: 64, maxLength: 64, gradientAccumulation: 2 }));
  const passes = Array.from({ length: order.steps }, (_, i) => order.step(i)).flat();
  expect(passes.flat().toSorted((a, b) => a - b)).toEqual(lengths.map((_, i) => i));
  for (const pass of passes) expect(pass.reduce((sum, i) => sum + lengths[i]!, 0)).toBeLessThanOrEqual(64);
  expect(passes.length).toBeLessThan(6);
  expect(order.largestPass).toBe(64);
});

test("schedules: warm-up in equal rises, then constant, linear or cosine down to 0", () => {
  const curve = (options: Partial<TrainOptions>, total: number) =>
    Array.from({ length: total }, (_, i) => makeSchedule(config(options), total)(i));
  expect(curve({ warmupSteps: 4 }, 6)).toEqual([0.25, 0.5, 0.75, 1, 1, 1]);
  expect(curve({ schedule: "linear" }, 4)).toEqual([1, 0.75, 0.5, 0.25]);
  expect(curve({ schedule: "linear", warmupSteps: 2 }, 6)).toEqual([0.5, 1, 1, 0.75, 0.5, 0.25]);
  for (const [i, factor] of curve({ schedule: "cosine" }, 4).entries())
    expect(factor).toBeCloseTo(0.5 * (1 + Math.cos((Math.PI * i) / 4)), 12);
  expect(curve({ schedule: "wsd" }, 20).slice(17)).toEqual([1, 1, 0.5]);
  expect(curve({ warmupSteps: 100 }, 2)).toEqual([0.5, 1]); // never longer than the run
});

/** What trains in a model on the CPU. */
function cpuParameters(model: Model) {
  return trainables(model).map(({ data, grad, ...rest }) => ({ ...rest, data: toHost(data), grad: toHost(grad) }));
}

function prepared(options: Partial<TrainOptions> = {}) {
  const dir = folder();
  const model = loadModel(makeModel(join(dir, "model"), { dtype: "F32" }), { precision: "f32" });
  makeTrainable(model, config({ loraR: 4, ...options }));
  // B begins at zero, which would leave A without a gradient.
  for (const { name, data } of cpuParameters(model))
    if (name.includes("lora_B")) for (let i = 0; i < data.length; i++) data[i] = Math.sin(i) / 10;
  const examples = encodeDataset(readDataset(makeData(join(dir, "d.jsonl"), 7)), loadTokenizer(join(dir, "model")), {
    template: "guanaco",
    maxLength: 128,
  }).examples;
  return { model, examples };
}

function gradients(model: Model, passes: Parameters<typeof accumulate>[1]) {
  const parameters = cpuParameters(model);
  for (const { grad } of parameters) grad.fill(0);
  const steps = accumulate(new Runner(model), passes, { checkpointing: true, dropout: 0, seed: 0, step: 0 });
  let next = steps.next();
  while (!next.done) next = steps.next();
  return { ...next.value, gradients: parameters.map(({ name, grad }) => ({ name, grad: grad.slice() })) };
}

test.each(["lora", "full"] as const)("accumulation gives the gradient of one large batch: %s", (method) => {
  const { model, examples } = prepared({ method });
  const whole = gradients(model, [examples]);
  for (const cut of [
    [3, 7],
    [1, 2, 3, 4, 5, 6, 7],
    [6, 7],
  ]) {
    const parts = gradients(
      model,
      cut.map((to, i) => examples.slice(cut[i - 1] ?? 0, to)),
    );
    expect(parts.nll).toBeCloseTo(whole.nll, 3);
    expect(parts).toMatchObject({ targets: whole.targets, tokens: whole.tokens, badPass: undefined });
    whole.gradients.forEach(({ name, grad }, i) => {
      let [difference, size] = [0, 0];
      grad.forEach((g, j) => {
        difference += (g - parts.gradients[i]!.grad[j]!) ** 2;
        size += g * g;
      });
      expect(size, name).toBeGreaterThan(0);
      expect(Math.sqrt(difference / size), name).toBeLessThan(1e-5);
    });
  }
});

test("the step's loss is the mean over all its targets, as the held-out loss of the same examples", () => {
  const { model, examples } = prepared();
  const { nll, targets } = gradients(
    model,
    examples.map((example) => [example]),
  );
  const passes = heldOutLoss(new Runner(model), examples, 64);
  let next = passes.next();
  while (!next.done) next = passes.next();
  expect(next.value).toBeCloseTo(nll / targets, 5);
});

test("dropout masks differ between steps and passes, and are the same again", () => {
  const { model, examples } = prepared();
  const once = (step: number) => {
    const steps = accumulate(new Runner(model), [examples.slice(0, 2), examples.slice(0, 2)], {
      checkpointing: true,
      dropout: 0.5,
      seed: 1,
      step,
    });
    let next = steps.next();
    while (!next.done) next = steps.next();
    return next.value.nll;
  };
  expect(once(3)).toBe(once(3));
  expect(once(3)).not.toBe(once(4));
});
