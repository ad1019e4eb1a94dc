// Arguments that cannot be right are refused with their name and number.
import { describe, expect, test } from "vitest";
import * as optim from "../src/index.js";
import { AdamW, AdEMAMix, clipGradNorm, Lion, MemoryState, Sgd } from "../src/index.js";
import { half, parameter } from "./inputs.js";

describe("bad input", () => {
  const p = () => parameter("w", 10);
  const cases: [string, () => unknown, string][] = [
    ["no parameters", () => new AdamW([]), "at least one parameter"],
    ["not an array", () => new AdamW(p() as never), "must be an array"],
    ["a mixture", () => new AdamW([p(), { parameters: [] }] as never), "not a mixture"],
    ["the same name twice", () => new AdamW([p(), p()]), "two parameters are named w"],
    ["no name", () => new AdamW([{ ...p(), name: "" }]), "has no name"],
    [
      "f64 weights",
      () => new AdamW([{ ...p(), data: new Float64Array(10) } as never]),
      "w.data must be a Float32Array or a Uint16Array (bf16)",
    ],
    [
      "wrong gradient type",
      () => new AdamW([{ ...p(), grad: new Uint16Array(10) } as never]),
      "w.grad must be a Float32Array",
    ],
    [
      "wrong gradient length",
      () => new AdamW([{ ...p(), grad: new Float32Array(9) }]),
      "w.grad has 9 elements, data has 10",
    ],
    ["bf16 without a mode", () => new AdamW([half("w", 10)]), 'w is bf16: choose bf16: "master"'],
    [
      "unknown bf16 mode",
      () => new AdamW([half("w", 10)], { bf16: "nearest" as never }),
      'bf16 must be "master" or "stochastic", got nearest',
    ],
    ["bits", () => new AdamW([p()], { bits: 16 as never }), "bits must be 32 or 8, got 16"],
    ["lr < 0", () => new AdamW([p()], { lr: -1 }), "lr must be finite and ≥ 0, got -1"],
    ["lr NaN", () => new AdamW([p()], { lr: Number.NaN }), "lr must be finite and ≥ 0, got NaN"],
    ["weight decay", () => new AdamW([p()], { weightDecay: -0.1 }), "weightDecay must be"],
    ["beta = 1", () => new AdamW([p()], { betas: [0.9, 1] }), "betas[1] must be in [0, 1), got 1"],
    ["three betas", () => new AdamW([p()], { betas: [0.9, 0.9, 0.9] as never }), "betas must be 2 numbers"],
    ["two betas", () => new AdEMAMix([p()], { betas: [0.9, 0.9] as never }), "betas must be 3 numbers"],
    ["momentum", () => new Sgd([p()], { momentum: 1 }), "momentum must be in [0, 1), got 1"],
    ["nesterov", () => new Sgd([p()], { nesterov: 1 as never }), "nesterov must be a boolean"],
    ["a typing error", () => new AdamW([p()], { beta: 1 } as never), "unknown option beta"],
    ["another's option", () => new Lion([p()], { eps: 1 } as never), "unknown option eps"],
    ["in a group", () => new AdamW([{ parameters: [p()], lr: "1" as never }]), "lr must be a number, got 1"],
    ["a ratio to 0", () => new AdamW([{ parameters: [p()], lr: 1 }], { lr: 0 }), "must not be 0"],
    ["seed", () => new AdamW([p()], { seed: -1 }), "seed must be a whole number ≥ 0, got -1"],
    [
      "two places",
      () => new AdamW([p()], { store: new MemoryState(), paging: { budget: 1e6, path: "x" } }),
      "either store or paging",
    ],
    ["a step's lr", () => new AdamW([p()]).step({ lr: -1 }), "lr must be finite and ≥ 0, got -1"],
    ["gradScale", () => new AdamW([p()]).step({ gradScale: Number.NaN }), "gradScale must be finite, got NaN"],
    ["maxNorm", () => new AdamW([p()]).step({ maxNorm: 0 }), "maxNorm must be > 0, got 0"],
    ["clip to 0", () => clipGradNorm([p()], 0), "maxNorm must be > 0, got 0"],
    ["warm-up", () => optim.constant({ warmup: -1 }), "warmup must be a whole number of steps ≥ 0, got -1"],
    ["warm-up beyond the total", () => optim.linear({ warmup: 5, total: 4 }), "warmup (5) must be at most total (4)"],
    ["no total", () => optim.cosine({} as never), "total must be a whole number"],
    ["decay", () => optim.wsd({ warmup: 5, total: 10, decay: 6 }), "warmup + decay (5 + 6) must be at most total (10)"],
    ["min", () => optim.cosine({ total: 4, min: 2 }), "min must be in [0, 1], got 2"],
    [
      "shape",
      () => optim.wsd({ total: 4, decay: 1, shape: "x" as never }),
      "shape must be one of linear, cosine, sqrt, got x",
    ],
  ];
  test.each(cases)("%s", (_, make, message) => expect(make).toThrow(message));

  test("arrays that were taken away", () => {
    const a = parameter("w", 1000);
    using optimizer = new AdamW([a]);
    structuredClone(a.grad, { transfer: [a.grad.buffer as ArrayBuffer] });
    expect(() => optimizer.step()).toThrow(/gradient has 0 elements, needs 1000/);
    expect(() => optimizer.step()).toThrow("the last step failed halfway");
  });

  test("after disposal, and a second optimiser in one store", () => {
    const store = new MemoryState();
    const optimizer = new AdamW([p()], { store });
    expect(() => new AdamW([p()], { store })).toThrow("a state store serves one optimiser");
    optimizer[Symbol.dispose]();
    expect(() => optimizer.step()).toThrow("disposed");
    expect(() => optimizer.stateDict()).toThrow("disposed");
  });
});
