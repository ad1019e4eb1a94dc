// Groups, learning rates, clipping, faults in gradients, state in and out.
import { describe, expect, test } from "vitest";
import * as optim from "../src/index.js";
import { Adam, AdamW, AdEMAMix, clipGradNorm, gradNorm, Lion, loraPlusGroups, MemoryState, Sgd, stateBytes } from "../src/index.js";
import { native } from "../src/native.js";
import { half, noise, normal, parameter, sameBits, setGradients } from "./inputs.js";

const classes = { AdamW, Adam, Lion, AdEMAMix, Sgd };
type Name = keyof typeof classes;
const names = Object.keys(classes) as Name[];

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
    const [p, q] = [[parameter("a", 5000), parameter("b", 77)], [parameter("a", 5000), parameter("b", 77)]];
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

/** Parameters of every kind: small, large, bf16; their gradients for a step are the same whenever they are made. */
function mixed() {
  return [parameter("small", 100), parameter("large", 20_000), half("half", 9000), half("tiny", 5), parameter("edge", 4096)];
}

describe.each(names)("%s", (name) => {
  for (const bits of [32, 8] as const)
    for (const bf16 of ["master", "stochastic"] as const)
      test(`resumes bit for bit after any step (${bits} bits, bf16 ${bf16})`, () => {
        const options = { lr: 0.01, weightDecay: 0.1, bits, bf16, seed: 2 ** 40 + 7 };
        const extra = name === "AdEMAMix" ? { warmup: 4 } : {};
        const make = (p: ReturnType<typeof mixed>) => new classes[name](p, { ...options, ...extra });
        const whole = mixed();
        using uninterrupted = make(whole);
        const saved: { weights: ReturnType<typeof mixed>; state: ReturnType<typeof uninterrupted.stateDict> }[] = [];
        for (let step = 1; step <= 6; ++step) {
          saved.push({ weights: structuredClone(whole), state: uninterrupted.stateDict() });
          setGradients(whole, step);
          uninterrupted.step({ maxNorm: 1 });
        }
        for (const { weights, state } of saved) {
          using resumed = make(weights);
          resumed.loadStateDict(structuredClone(state));
          for (let step = resumed.steps + 1; step <= 6; ++step) {
            setGradients(weights, step);
            resumed.step({ maxNorm: 1 });
          }
          expect(sameBits(weights.map(({ data }) => data), whole.map(({ data }) => data))).toBe(true);
          expect(sameBits(resumed.stateDict(), uninterrupted.stateDict())).toBe(true);
        }
      });

  test("stays on the 32-bit trajectory with 8-bit states, within the bounds of bitsandbytes' test_optimizer8bit", () => {
    const n = 1 << 14;
    const [p, q] = [{ ...parameter("w", n), data: normal(1, n) }, { ...parameter("w", n), data: normal(1, n) }];
    using exact = new classes[name]([p], {});
    using packed = new classes[name]([q], { bits: 8 });
    for (let step = 1; step <= 50; ++step) {
      p.grad.set(normal(step + 10, n).map((x) => 0.01 * x));
      q.grad.set(p.grad);
      exact.step();
      packed.step();
      let [error, relative, outliers] = [0, 0, 0];
      for (let i = 0; i < n; ++i) {
        const difference = Math.abs(p.data[i]! - q.data[i]!);
        error += difference / n;
        relative += difference / (Math.abs(p.data[i]!) + 1e-9) / n;
      }
      expect(error).toBeLessThan(6e-5);
      expect(relative).toBeLessThan(6e-4);
      const [ours, theirs] = [packed.stateDict().tensors, exact.stateDict().tensors];
      for (const [key, state] of theirs) {
        const values = decode(ours.get(key) as Uint8Array, ours.get(`${key}.absmax`) as Float32Array, key.endsWith(".v"));
        for (let i = 0; i < n; ++i) if (Math.abs(values[i]! - state[i]!) > 3e-3 + 1e-3 * Math.abs(state[i]!)) ++outliers;
      }
      expect(outliers).toBeLessThan(20);
      // As there, both go on from the exact weights and states.
      q.data.set(p.data);
      packed.loadStateDict({ algorithm: name.toLowerCase(), step, tensors: encode(theirs) });
    }
  });
});

const decode = (codes: Uint8Array, absmax: Float32Array, secondMoment: boolean) => {
  const x = new Float32Array(codes.length);
  native.decode(codes, absmax, !secondMoment, x);
  return x;
};
const encode = (states: Map<string, Float32Array | Uint8Array>) => {
  const result = new Map<string, Float32Array | Uint8Array>();
  for (const [key, x] of states) {
    const codes = new Uint8Array(x.length);
    const absmax = new Float32Array(Math.ceil(x.length / 256));
    native.encode(x as Float32Array, !key.endsWith(".v"), codes, absmax);
    result.set(key, codes).set(`${key}.absmax`, absmax);
  }
  return result;
};

describe("state", () => {
  test("names, types and lengths", () => {
    using optimizer = new AdEMAMix(mixed(), { bits: 8, bf16: "master" });
    const shapes = [...optimizer.stateTensors()].map(({ name, dtype, shape }) => `${name} ${dtype} ${shape}`);
    expect(shapes.slice(0, 3)).toEqual(["small.m1 F32 100", "small.m2 F32 100", "small.v F32 100"]);
    expect(shapes.slice(3, 9)).toEqual([
      "large.m1 U8 20000",
      "large.m2 U8 20000",
      "large.v U8 20000",
      "large.m1.absmax F32 79",
      "large.m2.absmax F32 79",
      "large.v.absmax F32 79",
    ]);
    expect(shapes.filter((s) => s.includes("master"))).toEqual(["half.master F32 9000", "tiny.master F32 5"]);
    expect(shapes).toContain("edge.v U8 4096");
    expect(shapes).toContain("tiny.v F32 5");
    const { tensors, step, algorithm } = optimizer.stateDict();
    expect([...tensors.keys()]).toEqual(shapes.map((s) => s.split(" ")[0]));
    expect([step, algorithm]).toEqual([0, "ademamix"]);
  });

  test("bytes", () => {
    const p = mixed();
    using optimizer = new AdamW(p, { bits: 8, bf16: "master" });
    const each = p.map(({ data }) => stateBytes("AdamW", data.length, { bits: 8, master: data instanceof Uint16Array }));
    expect(optimizer.stateBytes).toBe(each.reduce((a, b) => a + b));
    expect(stateBytes("AdamW", 1 << 20)).toBe(8 << 20);
    expect(stateBytes("Lion", 1 << 20, { bits: 8 })).toBe((1 << 20) + (1 << 14));
  });

  test("any object with get serves; it is asked once for each array, in order", () => {
    const p = mixed();
    using a = new AdamW(p, { bf16: "master" });
    setGradients(p, 1);
    a.step();
    const state = a.stateDict();
    const asked: string[] = [];
    using b = new AdamW(mixed(), { bf16: "master" });
    b.loadStateDict({
      ...state,
      tensors: { get: (name) => (asked.push(name), state.tensors.get(name)) },
    });
    expect(asked).toEqual([...state.tensors.keys()]);
    expect(sameBits(b.stateDict(), state)).toBe(true);
  });

  test("a state that does not fit is refused by name, and steps wait for one that does", () => {
    const p = [parameter("a", 100), parameter("b", 5000)];
    using optimizer = new AdamW(p);
    setGradients(p, 1);
    optimizer.step();
    const good = optimizer.stateDict();
    const edit = (change: (tensors: Map<string, ArrayBufferView>) => void) => {
      const tensors = new Map<string, ArrayBufferView>(good.tensors);
      change(tensors);
      return { ...good, tensors };
    };
    const cases: [object, string][] = [
      [edit((t) => t.delete("b.v")), "b.v is missing from the state"],
      [edit((t) => t.set("b.v", new Float32Array(4999))), "b.v has 4999 elements, needs 5000"],
      [edit((t) => t.set("a.m", new Uint8Array(100))), "a.m must be a Float32Array, got Uint8Array"],
      [edit((t) => t.set("c.m", new Float32Array(1))), "c.m belongs to no parameter of this optimiser"],
      [{ ...good, algorithm: "lion" }, "the state is of lion, this optimiser is adamw"],
      [{ ...good, step: -1 }, "step must be a whole number ≥ 0, got -1"],
      [{ ...good, step: 0.5 }, "step must be a whole number ≥ 0, got 0.5"],
    ];
    for (const [state, message] of cases) expect(() => optimizer.loadStateDict(state as typeof good)).toThrow(message);
    optimizer.loadStateDict(good);
    expect(() => optimizer.loadStateDict(edit((t) => t.delete("b.v")))).toThrow();
    expect(() => optimizer.step()).toThrow("the last loadStateDict failed");
    optimizer.loadStateDict(good);
    expect(optimizer.step().applied).toBe(true);
  });
});

describe("bad input", () => {
  const p = () => parameter("w", 10);
  const cases: [string, () => unknown, string][] = [
    ["no parameters", () => new AdamW([]), "at least one parameter"],
    ["not an array", () => new AdamW(p() as never), "must be an array"],
    ["a mixture", () => new AdamW([p(), { parameters: [] }] as never), "not a mixture"],
    ["the same name twice", () => new AdamW([p(), p()]), "two parameters are named w"],
    ["no name", () => new AdamW([{ ...p(), name: "" }]), "has no name"],
    ["f64 weights", () => new AdamW([{ ...p(), data: new Float64Array(10) } as never]), "w.data must be a Float32Array or a Uint16Array (bf16)"],
    ["wrong gradient type", () => new AdamW([{ ...p(), grad: new Uint16Array(10) } as never]), "w.grad must be a Float32Array"],
    ["wrong gradient length", () => new AdamW([{ ...p(), grad: new Float32Array(9) }]), "w.grad has 9 elements, data has 10"],
    ["bf16 without a mode", () => new AdamW([half("w", 10)]), 'w is bf16: choose bf16: "master"'],
    ["unknown bf16 mode", () => new AdamW([half("w", 10)], { bf16: "nearest" as never }), 'bf16 must be "master" or "stochastic", got nearest'],
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
    ["two places", () => new AdamW([p()], { store: new MemoryState(), paging: { budget: 1e6, path: "x" } }), "either store or paging"],
    ["a step's lr", () => new AdamW([p()]).step({ lr: -1 }), "lr must be finite and ≥ 0, got -1"],
    ["gradScale", () => new AdamW([p()]).step({ gradScale: Number.NaN }), "gradScale must be finite, got NaN"],
    ["maxNorm", () => new AdamW([p()]).step({ maxNorm: 0 }), "maxNorm must be > 0, got 0"],
    ["clip to 0", () => clipGradNorm([p()], 0), "maxNorm must be > 0, got 0"],
    ["warm-up", () => optim.constant({ warmup: -1 }), "warmup must be a whole number of steps ≥ 0, got -1"],
    ["warm-up beyond the total", () => optim.linear({ warmup: 5, total: 4 }), "warmup (5) must be at most total (4)"],
    ["no total", () => optim.cosine({} as never), "total must be a whole number"],
    ["decay", () => optim.wsd({ warmup: 5, total: 10, decay: 6 }), "warmup + decay (5 + 6) must be at most total (10)"],
    ["min", () => optim.cosine({ total: 4, min: 2 }), "min must be in [0, 1], got 2"],
    ["shape", () => optim.wsd({ total: 4, decay: 1, shape: "x" as never }), "shape must be one of linear, cosine, sqrt, got x"],
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
    expect(() => optimizer.stateDict()).toThrow(RangeError);
  });
});

test("many steps with noise in the gradient find the minimum of a quadratic", () => {
  for (const name of names)
    for (const bits of [32, 8] as const) {
      const n = 8192;
      const goal = noise(9, n);
      const p = { name: "w", data: new Float32Array(n), grad: new Float32Array(n) };
      using optimizer = new classes[name]([p], { lr: name === "Sgd" ? 0.1 : 0.01, bits });
      const schedule = optim.cosine({ total: 400, warmup: 20 });
      const lr = name === "Sgd" ? 0.1 : 0.01;
      for (let step = 0; step < 400; ++step) {
        for (let i = 0; i < n; ++i) p.grad[i] = p.data[i]! - goal[i]!;
        optimizer.step({ lr: lr * schedule(step) });
      }
      const error = Math.sqrt(p.data.reduce((sum, x, i) => sum + (x - goal[i]!) ** 2, 0) / n);
      expect(error, `${name} ${bits}`).toBeLessThan(0.02);
    }
});
