// State in and out: resumed runs have the same bits; 8-bit states stay on the 32-bit trajectory.
import { describe, expect, test } from "vitest";
import { Adam, AdamW, AdEMAMix, Lion, Sgd, stateBytes } from "../src/index.js";
import { native } from "../src/native.js";
import { half, normal, parameter, sameBits, setGradients } from "./inputs.js";

const classes = { AdamW, Adam, Lion, AdEMAMix, Sgd };
const names = Object.keys(classes) as (keyof typeof classes)[];

/** Parameters of every kind: small, large, bf16; their gradients for a step are the same whenever they are made. */
function mixed() {
  return [
    parameter("small", 100),
    parameter("large", 20_000),
    half("half", 9000),
    half("tiny", 5),
    parameter("edge", 4096),
  ];
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
          expect(
            sameBits(
              weights.map(({ data }) => data),
              whole.map(({ data }) => data),
            ),
          ).toBe(true);
          expect(sameBits(resumed.stateDict(), uninterrupted.stateDict())).toBe(true);
        }
      });

  test("stays on the 32-bit trajectory with 8-bit states, within the bounds of bitsandbytes' test_optimizer8bit", () => {
    const n = 1 << 14;
    const [p, q] = [
      { ...parameter("w", n), data: normal(1, n) },
      { ...parameter("w", n), data: normal(1, n) },
    ];
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
        const values = decode(
          ours.get(key) as Uint8Array,
          ours.get(`${key}.absmax`) as Float32Array,
          key.endsWith(".v"),
        );
        for (let i = 0; i < n; ++i)
          if (Math.abs(values[i]! - state[i]!) > 3e-3 + 1e-3 * Math.abs(state[i]!)) ++outliers;
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
    const each = p.map(({ data }) =>
      stateBytes("AdamW", data.length, { bits: 8, master: data instanceof Uint16Array }),
    );
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
      tensors: {
        get: (name) => {
          asked.push(name);
          return state.tensors.get(name);
        },
      },
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
