// Every kernel of every instruction set against the reference, and the same bits for any number of threads.
import { afterAll, describe, expect, test } from "vitest";
import { packHyper } from "../src/hyper.js";
import { native, setSimd, setThreads, simds, threads } from "../src/native.js";
import * as reference from "../src/reference.js";
import { maxAbs, noise, normal, sameBits } from "./inputs.js";

const before = threads();
afterAll(() => setThreads(before));

const rules = [
  { name: "adam", id: 0, states: 2 },
  { name: "lion", id: 1, states: 1 },
  { name: "ademamix", id: 2, states: 3 },
  { name: "sgd", id: 3, states: 1 },
];
const isSecondMoment = (rule: number, state: number) => (rule === 0 && state === 1) || (rule === 2 && state === 2);
const hyper = packHyper({
  scale: 0.5,
  l2: 0.01,
  decay: 0.999,
  rate: 0.02,
  b1: 0.9,
  c1: 0.1,
  b2: 0.99,
  c2: 0.01,
  b3: 0.999,
  c3: 0.001,
  alpha: 3,
  eps: 1e-6,
  correct1: 1.5,
  correct2: 1.7,
  nesterov: 1,
});

type Bits = 32 | 8;
type Weights = "f32" | "master" | "stochastic";

/** The arguments of `step` for n elements in the middle of a training run. */
function arrays(rule: (typeof rules)[0], n: number, bits: Bits, weights: Weights) {
  const f32 = Array.from({ length: rule.states }, (_, k) =>
    isSecondMoment(rule.id, k) ? noise(k + 5, n).map((x) => x * x) : noise(k + 5, n),
  );
  const blocks = Math.ceil(n / 256);
  const absmax = f32.map(() => (bits === 8 ? new Float32Array(blocks) : null));
  const states = f32.map((x, k) => {
    if (bits === 32) return x;
    const codes = new Uint8Array(n);
    reference.encode(x, !isSecondMoment(rule.id, k), codes, absmax[k]!);
    return codes;
  });
  const w = noise(1, n);
  const data = weights === "f32" ? w : Uint16Array.from(new Uint32Array(w.buffer), (b) => b >>> 16);
  return {
    data,
    grad: normal(2, n),
    states,
    absmax,
    master: weights === "master" ? w.slice() : null,
    random: weights === "stochastic" ? Uint32Array.of(7, 11, 3, 2 ** 32 - 1) : null,
  };
}

function run(step: typeof native.step, id: number, n: number, a: ReturnType<typeof arrays>, first = 0) {
  const [s0 = null, s1 = null, s2 = null] = a.states;
  const [a0 = null, a1 = null, a2 = null] = a.absmax;
  step(id, n, a.data, a.grad, hyper, s0, s1, s2, a0, a1, a2, a.master, a.random, first);
}

const widths: [Bits, Weights][] = [
  [32, "f32"],
  [32, "master"],
  [32, "stochastic"],
  [8, "f32"],
  [8, "master"],
  [8, "stochastic"],
];

describe.each(simds())("%s", (simd) => {
  for (const rule of rules)
    for (const [bits, weights] of widths)
      test(`${rule.name}, ${bits}-bit states, ${weights} weights: as the reference, for every length of tail`, () => {
        setSimd(simd);
        for (const n of [...Array(34).keys(), 255, 256, 257, 300, 1000]) {
          const ours = arrays(rule, n, bits, weights);
          const oracle = structuredClone(ours);
          run(native.step, rule.id, n, ours, 512);
          run(reference.step, rule.id, n, oracle, 512);
          if (simd === "scalar") {
            expect(ours, `n = ${n}`).toEqual(oracle); // no fused multiply-add: the same bits
            continue;
          }
          if (weights === "f32") expect(maxAbs(ours.data, oracle.data)).toBeLessThan(1e-6);
          else expect(maxAbs(ours.data, oracle.data)).toBeLessThanOrEqual(1); // in units of the last bf16 place
          if (ours.master) expect(maxAbs(ours.master, oracle.master!)).toBeLessThan(1e-6);
          ours.states.forEach((state, k) => {
            expect(maxAbs(state, oracle.states[k]!)).toBeLessThanOrEqual(bits === 8 ? 1 : 1e-6);
            if (bits === 8) expect(maxAbs(ours.absmax[k]!, oracle.absmax[k]!)).toBeLessThan(1e-6);
          });
        }
      });

  test("1, 2, 3, 4, 8 threads: the same bits", () => {
    setSimd(simd);
    const n = 5 * 16384 + 777;
    for (const rule of rules)
      for (const [bits, weights] of widths) {
        const start = arrays(rule, n, bits, weights);
        const results = [1, 2, 3, 4, 8].map((count) => {
          setThreads(count);
          const a = structuredClone(start);
          for (let i = 0; i < 3; ++i) run(native.step, rule.id, n, a);
          return a;
        });
        expect(results.map((result) => sameBits(result, results[0]))).toEqual(results.map(() => true));
      }
    const x = normal(3, n);
    const sums = [1, 2, 3, 4, 8].map((count) => {
      setThreads(count);
      return native.sumSquares(x);
    });
    for (const sum of sums) expect(sum).toBe(sums[0]);
  });

  test("a run cut at a multiple of 256 gives the same bits", () => {
    setSimd(simd);
    for (const rule of rules)
      for (const [bits, weights] of widths) {
        const [n, cut] = [1500, 768];
        const whole = arrays(rule, n, bits, weights);
        const parts = structuredClone(whole);
        run(native.step, rule.id, n, whole);
        for (const [from, to] of [
          [0, cut],
          [cut, n],
        ] as const)
          run(
            native.step,
            rule.id,
            to - from,
            {
              data: parts.data.subarray(from, to),
              grad: parts.grad.subarray(from, to),
              states: parts.states.map((s) => s.subarray(from, to)),
              absmax: parts.absmax.map((a) => a?.subarray(from / 256) ?? null),
              master: parts.master?.subarray(from, to) ?? null,
              random: parts.random,
            },
            from,
          );
        expect(parts).toEqual(whole);
      }
  });

  test("bits do not depend on where arrays lie in memory, and nothing beside them is touched", () => {
    setSimd(simd);
    const n = 3000;
    const place = <T extends Float32Array | Uint16Array | Uint8Array>(x: T, offset: number): T => {
      const room = new (x.constructor as new (n: number) => T)(n + 64).fill(77) as T;
      const view = room.subarray(offset, offset + x.length) as T;
      view.set(x);
      return view;
    };
    const around = (x: Float32Array | Uint16Array | Uint8Array) => {
      const room = new (x.constructor as Float32ArrayConstructor)(x.buffer as ArrayBuffer);
      const from = x.byteOffset / x.BYTES_PER_ELEMENT;
      return [...room.subarray(0, from), ...room.subarray(from + x.length)].every((v) => v === 77);
    };
    for (const rule of rules)
      for (const [bits, weights] of widths) {
        const start = arrays(rule, n, bits, weights);
        const expected = structuredClone(start);
        run(native.step, rule.id, n, expected);
        for (let offset = 0; offset < 20; offset += 3) {
          const a = {
            data: place(start.data, offset),
            grad: place(start.grad, (5 * offset) % 17),
            states: start.states.map((state, k) => place(state, (offset + 7 * k) % 32)),
            absmax: start.absmax.map((x) => x && place(x, offset)),
            master: start.master && place(start.master, (3 * offset) % 19),
            random: start.random,
          };
          run(native.step, rule.id, n, a);
          expect([a.data, ...a.states].every(around)).toBe(true);
          expect(sameBits([...a.data], [...expected.data])).toBe(true);
          expect(a.states.every((state, k) => sameBits([...state], [...expected.states[k]!]))).toBe(true);
        }
      }
  });

  test("sums of squares in f64: no overflow, exact zeros, infinities and NaN seen", () => {
    setSimd(simd);
    for (const n of [0, 1, 15, 16, 17, 63, 64, 100, 40000]) {
      const x = normal(4, n);
      const exact = reference.sumSquares(x);
      expect(Math.abs(native.sumSquares(x) - exact)).toBeLessThanOrEqual(1e-12 * exact);
    }
    expect(native.sumSquares(new Float32Array(1000).fill(3e38))).toBeCloseTo(1000 * Math.fround(3e38) ** 2, -66);
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])
      for (const at of [0, 500, 999]) {
        const x = new Float32Array(1000).fill(1);
        x[at] = bad;
        expect(Number.isFinite(native.sumSquares(x))).toBe(false);
      }
  });

  test("scaling", () => {
    setSimd(simd);
    for (const n of [0, 1, 17, 40000]) {
      const [x, y] = [normal(5, n), normal(5, n)];
      native.scale(x, 0.3);
      reference.scale(y, 0.3);
      expect(sameBits(x, y)).toBe(true);
    }
  });
});
