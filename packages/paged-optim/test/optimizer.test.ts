// Groups, learning rates, decay, clipping, gradients that are not finite.
import { describe, expect, test } from "vitest";
import { Adam, AdamW, AdEMAMix, clipGradNorm, cosine, gradNorm, Lion, loraPlusGroups, Sgd } from "../src/index.js";
import { noise, parameter, sameBits, setGradients } from "./inputs.js";

const classes = { AdamW, Adam, Lion, AdEMAMix, Sgd };
const names = Object.keys(classes) as (keyof typeof classes)[];

describe("groups", () => {
  test("each has its own numbers, the others come from the optimiser", () => {
    const [a, b] = [parameter("a", 100), parameter("b", 100)];
    using together = new AdamW(
      [{ parameters: [a] }, { parameters: [b], lr: 0.02, weightDecay: 0.3, betas: [0.5, 0.6], eps: 1e-3 }],
      { lr: 0.01, weightDecay: 0.1 },
    );
    const [c, d] = [parameter("a", 100), parameter("b", 100)];
    using first = new AdamW([c], { lr: 0.01, weightDecay: 0.1 });
    using second = new AdamW([d], { lr: 0.02, weightDecay: 0.3, betas: [0.5, 0.6], eps: 1e-3 });
    for (let step = 1; step <= 3; ++step) {
      setGradients([a, b], step);
      setGradients([c, d], step);
      together.step();
      first.step();
      second.step();
    }
    expect([a.data, b.data]).toEqual([c.data, d.data]);
  });

  test("a step's learning rate keeps the groups' ratios", () => {
    const [a, b] = [parameter("a", 50), parameter("b", 50, 50)];
    const start = a.data.slice();
    using optimizer = new Sgd([{ parameters: [a] }, { parameters: [b], lr: 0.4 }], { lr: 0.1, momentum: 0 });
    a.grad.fill(1);
    b.grad.fill(1);
    optimizer.step({ lr: 0.05 });
    expect(a.data[0]).toBeCloseTo(start[0]! - 0.05, 6);
    expect(b.data[0]).toBeCloseTo(start[0]! - 0.2, 6);
  });

  test("LoRA+: B at a multiple of the rate", () => {
    const parameters = ["q.lora_A", "q.lora_B", "head"].map((name) => parameter(name, 10));
    const groups = loraPlusGroups(parameters, { lr: 0.01, ratio: 8 });
    expect(groups.map((group) => [group.parameters.map(({ name }) => name), group.lr])).toEqual([
      [["q.lora_A", "head"], 0.01],
      [["q.lora_B"], 0.08],
    ]);
    for (const { grad } of parameters) grad.fill(1);
    const start = parameters.map(({ data }) => data[0]!);
    using optimizer = new Sgd(groups, { lr: 0.01, momentum: 0 });
    optimizer.step({ lr: 0.001 });
    const moved = parameters.map(({ data }, i) => start[i]! - data[0]!);
    expect(moved[0]).toBeCloseTo(0.001, 6);
    expect(moved[1]).toBeCloseTo(0.008, 6);
    expect(() => loraPlusGroups(parameters.slice(2), { lr: 0.01 })).toThrow("none of 1 parameters is a B matrix");
    expect(() => loraPlusGroups(parameters, { lr: 0.01, ratio: 0.5 })).toThrow(RangeError);
  });
});

describe("decay", () => {
  test.each([
    ["AdamW", true],
    ["Lion", true],
    ["AdEMAMix", true],
    ["Adam", false],
    ["Sgd", false],
  ] as const)("%s: decoupled is %s", (name, decoupled) => {
    // With zero gradients decoupled decay multiplies by 1 − lr·wd and leaves the states alone.
    const p = parameter("w", 300);
    const start = p.data.slice();
    using optimizer = new classes[name]([p], { lr: 0.1, weightDecay: 0.5 });
    optimizer.step();
    const { tensors } = optimizer.stateDict();
    const still = [...tensors.values()].every((state) => state.every((x) => x === 0));
    expect(still).toBe(decoupled);
    if (decoupled) expect(p.data).toEqual(start.map((x) => Math.fround(Math.fround(0.95) * x)));
  });
});

describe("clipping", () => {
  test("in the step: as clipGradNorm before it, without touching the gradients", () => {
    const [p, q] = [
      [parameter("a", 5000), parameter("b", 77)],
      [parameter("a", 5000), parameter("b", 77)],
    ];
    using folded = new AdamW(p, { lr: 0.01 });
    using separate = new AdamW(q, { lr: 0.01 });
    for (let step = 1; step <= 3; ++step) {
      setGradients(p, step);
      setGradients(q, step);
      const before = p[0]!.grad.slice();
      const result = folded.step({ maxNorm: 0.2 });
      const norm = clipGradNorm(q, 0.2);
      separate.step();
      expect(result.applied).toBe(true);
      expect(result.gradNorm).toBe(norm);
      expect(result.clip).toBeCloseTo(0.2 / norm, 5);
      expect(gradNorm(q)).toBeCloseTo(0.2, 5);
      expect(p[0]!.grad).toEqual(before);
    }
    for (const i of [0, 1]) expect(p[i]!.data.every((x, k) => Math.abs(x - q[i]!.data[k]!) < 1e-6)).toBe(true);
  });

  test("does nothing below the norm, and counts gradScale", () => {
    const p = parameter("w", 1000);
    p.grad.fill(1); // norm 31.6
    using optimizer = new AdamW([p]);
    expect(optimizer.step({ maxNorm: 32 }).clip).toBe(1);
    const { gradNorm: norm, clip } = optimizer.step({ maxNorm: 1, gradScale: 0.1 });
    expect(norm).toBeCloseTo(3.1623, 4);
    expect(clip).toBeCloseTo(1 / 3.1623, 4);
  });

  test("a norm that is known is not computed again", () => {
    const p = parameter("w", 1000);
    p.grad.fill(1);
    using optimizer = new AdamW([p]);
    expect(optimizer.step({ gradNorm: 5, maxNorm: 1 })).toEqual({ applied: true, gradNorm: 5, clip: 1 / (5 + 1e-6) });
  });
});

describe("gradients that are not finite", () => {
  test.each(names)("%s changes nothing and names the first", (name) => {
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])
      for (const at of [0, 4999, 2500]) {
        const p = [parameter("a", 100), parameter("b", 5000), parameter("c", 10)];
        using optimizer = new classes[name](p, { weightDecay: 0.1, bits: 8 });
        setGradients(p, 1);
        optimizer.step();
        const before = structuredClone({ p: p.map(({ data }) => data), state: optimizer.stateDict() });
        setGradients(p, 2);
        p[1]!.grad[at] = bad;
        p[2]!.grad[0] = bad;
        const result = optimizer.step({ maxNorm: 1 });
        expect(result.applied).toBe(false);
        expect(result.nonFinite).toBe("b");
        expect(Number.isFinite(result.gradNorm)).toBe(false);
        expect(optimizer.step({ gradNorm: Number.NaN })).toMatchObject({ applied: false, nonFinite: "b" });
        expect(sameBits({ p: p.map(({ data }) => data), state: optimizer.stateDict() }, before)).toBe(true);
        expect(optimizer.steps).toBe(1);
      }
  });

  test("clipGradNorm leaves them as they are", () => {
    const p = parameter("a", 10);
    p.grad.fill(3);
    p.grad[3] = Number.NaN;
    expect(clipGradNorm([p], 1)).toBeNaN();
    expect(p.grad[0]).toBe(3);
  });
});

test("many steps with noise in the gradient find the minimum of a quadratic", () => {
  for (const name of names)
    for (const bits of [32, 8] as const) {
      const n = 8192;
      const goal = noise(9, n);
      const p = { name: "w", data: new Float32Array(n), grad: new Float32Array(n) };
      using optimizer = new classes[name]([p], { lr: name === "Sgd" ? 0.1 : 0.01, bits });
      const schedule = cosine({ total: 400, warmup: 20 });
      const lr = name === "Sgd" ? 0.1 : 0.01;
      for (let step = 0; step < 400; ++step) {
        for (let i = 0; i < n; ++i) p.grad[i] = p.data[i]! - goal[i]!;
        optimizer.step({ lr: lr * schedule(step) });
      }
      const error = Math.sqrt(p.data.reduce((sum, x, i) => sum + (x - goal[i]!) ** 2, 0) / n);
      expect(error, `${name} ${bits}`).toBeLessThan(0.02);
    }
});
