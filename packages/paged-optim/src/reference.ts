// The native functions in plain TypeScript, written to be read: the oracle of the tests, and what runs without an addon.
// f32 arithmetic is written with Math.fround; a·b + c rounds twice, as the scalar kernels do.
import { encodeNearest, map } from "./dynamic-map.js";
import { unpackHyper } from "./hyper.js";
import { narrow, narrowStochastic, widenOne } from "./rounding.js";

const f = Math.fround;
const fma = (a: number, b: number, c: number) => f(f(a * b) + c);

type State = Float32Array | Uint8Array | null;
type Update = (p: number, g: number, s: number[]) => number;

/** For each rule, with the numbers of a step: the new weight from the old, the gradient and the states (changed in place). */
const updates: ((h: ReturnType<typeof unpackHyper>) => Update)[] = [
  // Adam and AdamW
  (h) => (p, g, s) => {
    s[0] = fma(h.b1, s[0]!, f(h.c1 * g));
    s[1] = fma(h.b2, s[1]!, f(f(h.c2 * g) * g));
    const denominator = fma(f(Math.sqrt(s[1])), h.correct2, h.eps);
    return fma(-h.rate, f(s[0] / denominator), f(h.decay * p));
  },
  // Lion
  (h) => (p, g, s) => {
    const u = fma(h.b1, s[0]!, f(h.c1 * g));
    s[0] = fma(h.b2, s[0]!, f(h.c2 * g));
    return f(f(h.decay * p) - (u > 0 ? h.rate : u < 0 ? -h.rate : 0));
  },
  // AdEMAMix
  (h) => (p, g, s) => {
    s[0] = fma(h.b1, s[0]!, f(h.c1 * g));
    s[1] = fma(h.b3, s[1]!, f(h.c3 * g));
    s[2] = fma(h.b2, s[2]!, f(f(h.c2 * g) * g));
    const denominator = fma(f(Math.sqrt(s[2])), h.correct2, h.eps);
    return fma(-h.rate, f(fma(h.alpha, s[1], f(s[0] * h.correct1)) / denominator), f(h.decay * p));
  },
  // SGD with momentum
  (h) => (p, g, s) => {
    s[0] = fma(h.b1, s[0]!, g);
    return fma(-h.rate, fma(h.nesterov ? h.b1 : 1, s[0], f(h.nesterov * g)), f(h.decay * p));
  },
];
const stateCount = [2, 1, 3, 1];
const isSigned = (rule: number, state: number) => !((rule === 0 && state === 1) || (rule === 2 && state === 2));

export function step(
  rule: number,
  n: number,
  weights: Float32Array | Uint16Array,
  gradient: Float32Array,
  hyper: Float32Array,
  s0: State,
  s1: State,
  s2: State,
  absmax0: Float32Array | null,
  absmax1: Float32Array | null,
  absmax2: Float32Array | null,
  master: Float32Array | null,
  random: Uint32Array | null,
  first: number,
): void {
  const h = unpackHyper(hyper);
  const update = updates[rule]!(h);
  const packed = [s0, s1, s2].slice(0, stateCount[rule]) as (Float32Array | Uint8Array)[];
  const absmax = [absmax0, absmax1, absmax2];
  const states = packed.map((state, k) => {
    if (state instanceof Float32Array) return state;
    const unpacked = new Float32Array(n);
    decode(state.subarray(0, n), absmax[k]!, isSigned(rule, k), unpacked);
    return unpacked;
  });
  const read =
    weights instanceof Uint16Array && !master
      ? Float32Array.from(weights.subarray(0, n), widenOne)
      : (master ?? weights);
  const s = states.map(() => 0);
  for (let i = 0; i < n; ++i) {
    states.forEach((state, k) => {
      s[k] = state[i]!;
    });
    const g = fma(h.l2, read[i]!, f(h.scale * gradient[i]!));
    read[i] = update(read[i]!, g, s);
    states.forEach((state, k) => {
      state[i] = s[k]!;
    });
  }
  packed.forEach((state, k) => {
    if (state instanceof Uint8Array) encode(states[k]!.subarray(0, n), isSigned(rule, k), state, absmax[k]!);
  });
  if (weights instanceof Uint16Array)
    for (let i = 0; i < n; ++i) weights[i] = master ? narrow(read[i]!) : narrowStochastic(read[i]!, first + i, random!);
}

export function sumSquares(x: Float32Array): number {
  return x.reduce((sum, v) => sum + v * v, 0);
}

export function scale(x: Float32Array, a: number): void {
  for (let i = 0; i < x.length; ++i) x[i]! *= f(a);
}

const largest = 3.4028234663852886e38;
const smallestNormal = 1.1754943508222875e-38;

export function encode(x: Float32Array, signed: boolean, codes: Uint8Array, absmax: Float32Array): void {
  for (let at = 0; at < x.length; at += 256) {
    const values = x.subarray(at, at + 256);
    let most = values.reduce((most, v) => Math.max(most, Math.min(Math.abs(v), largest)), 0);
    if (most < smallestNormal) most = 0;
    absmax[at / 256] = most;
    const inverse = most > 0 ? f(1 / most) : 0;
    for (let i = 0; i < values.length; ++i) codes[at + i] = encodeNearest(f(values[i]! * inverse), signed);
  }
}

export function decode(codes: Uint8Array, absmax: Float32Array, signed: boolean, x: Float32Array): void {
  const values = map(signed);
  for (let i = 0; i < codes.length; ++i) x[i] = values[codes[i]!]! * absmax[i >> 8]!;
}

export function dynamicMap(signed: boolean, values: Float32Array): void {
  values.set(map(signed));
}

export function widen(x: Uint16Array, y: Float32Array): void {
  for (let i = 0; i < x.length; ++i) y[i] = widenOne(x[i]!);
}

export const threads = () => 1;
export function setThreads(): void {}
export const simd = () => "reference";
export function setSimd(name: string): void {
  if (name !== "reference") throw new RangeError(`simd: ${name} is not available here`);
}
export const simds = () => ["reference"];
