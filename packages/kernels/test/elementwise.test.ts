// Extremes and identities of the operations that work on single values or rows.
import { afterEach, describe, expect, test } from "vitest";
import * as kernels from "../src/index.js";
import { expectClose, FEW_ROUNDINGS, random } from "./compare.js";

const best = kernels.simd();
afterEach(() => kernels.setSimd(best));

test("sumSquares has the same bits on every instruction set, and keeps float64's range", () => {
  const x = random(70_001, 1);
  const sums = kernels.simds().map((set) => {
    kernels.setSimd(set);
    return kernels.sumSquares(x, { n: x.length });
  });
  for (const sum of sums) expect(sum).toBe(sums[0]);
  expect(kernels.sumSquares(new Float32Array(100).fill(1e30), { n: 100 })).toBeCloseTo(
    100 * Math.fround(1e30) ** 2,
    -49,
  );
  expect(kernels.sumSquares(Float32Array.of(1, Number.NaN), { n: 2 })).toBeNaN();
  expect(kernels.sumSquares(Float32Array.of(1, -Infinity), { n: 2 })).toBe(Infinity);
});

describe.each(kernels.simds())("%s", (set) => {
  test("bf16: every value survives the way there and back", () => {
    kernels.setSimd(set);
    const n = 65536;
    const [all, wide, back] = [Uint16Array.from({ length: n }, (_, i) => i), new Float32Array(n), new Uint16Array(n)];
    kernels.fromBf16(all, wide, { n });
    kernels.toBf16(wide, back, { n });
    for (let i = 0; i < n; i++) {
      const nan = (i & 0x7fff) > 0x7f80;
      expect(Number.isNaN(wide[i])).toBe(nan);
      if (back[i] !== (nan ? i | 0x40 : i)) expect.fail(`${i} came back as ${back[i]}`);
    }
  });

  test("swiglu far from zero", () => {
    kernels.setSimd(set);
    const gate = Float32Array.of(0, 100, 3e38, -20, -100, -3e38, Number.NaN, Infinity);
    const n = gate.length;
    const [one, y] = [new Float32Array(n).fill(1), new Float32Array(n)];
    kernels.swiglu(gate, one, y, { n });
    expectClose(y.subarray(0, 3), gate.subarray(0, 3), FEW_ROUNDINGS);
    expect(y[3]).toBeCloseTo(-20 * Math.exp(-20), 12);
    expect(Math.abs(y[4]!)).toBeLessThan(1e-35);
    expect(y[5]).toBeLessThanOrEqual(0);
    expect(y[6]).toBeNaN();
    expect(y[7]).toBe(Infinity);
    const [dgate, dup] = [new Float32Array(n), new Float32Array(n)];
    kernels.swigluBackward(one, gate, one, dgate, dup, { n });
    for (let i = 0; i < 6; i++) expectClose(dup.subarray(i, i + 1), y.subarray(i, i + 1), FEW_ROUNDINGS);
    expectClose(dgate.subarray(0, 3), [0.5, 1, 1], FEW_ROUNDINGS);
    expect(dgate[6]).toBeNaN();
  });

  test("crossEntropy: certain, impossible, huge, and not a number", () => {
    kernels.setSimd(set);
    const v = 40;
    const row = (change: Record<number, number>) => Object.assign(new Float32Array(v), change);
    const run = (logits: Float32Array, label: number) => {
      const losses = new Float32Array(1);
      kernels.crossEntropy(logits, Int32Array.of(label), losses, { m: 1, v });
      return losses[0]!;
    };
    expect(run(row({}), 3)).toBeCloseTo(Math.log(v), 6);
    expect(run(row({ 3: 1000 }), 3)).toBe(0);
    expect(run(row({ 3: 1000 }), 4)).toBe(1000);
    expect(run(row({ 3: -Infinity }), 3)).toBe(Infinity);
    expect(run(row({ 3: 3e38 }), 3)).toBe(0);
    expect(run(row({ 39: Number.NaN }), 3)).toBeNaN();
    expect(run(row({ 0: Infinity }), 3)).toBeNaN();
    const logits = row({ 5: Number.NaN });
    expect(run(logits, -100)).toBe(0);
    expect([...logits]).toEqual(new Array(v).fill(0));
  });

  test("crossEntropy: a large vocabulary costs no accuracy", () => {
    kernels.setSimd(set);
    const v = 1_000_003;
    const losses = new Float32Array(1);
    kernels.crossEntropy(new Float32Array(v), Int32Array.of(v - 1), losses, { m: 1, v, gradient: false });
    expect(losses[0]).toBe(Math.fround(Math.log(v)));
  });

  test("in place where the documentation allows it", () => {
    kernels.setSimd(set);
    const [m, d, n] = [3, 21, 63];
    const [x, weight, y, invRms] = [random(n, 1), random(d, 2), new Float32Array(n), new Float32Array(m)];
    kernels.rmsNorm(x, weight, y, invRms, { m, d, eps: 1e-5 });
    const same = x.slice();
    kernels.rmsNorm(same, weight, same, invRms, { m, d, eps: 1e-5 });
    expect(same).toEqual(y);
    const [gate, up] = [random(n, 3), random(n, 4)];
    kernels.swiglu(gate, up, y, { n });
    for (const into of [0, 1]) {
      const inputs = [gate.slice(), up.slice()] as const;
      kernels.swiglu(...inputs, inputs[into]!, { n });
      expect(inputs[into]).toEqual(y);
    }
    const [dgate, dup] = [new Float32Array(n), new Float32Array(n)];
    kernels.swigluBackward(x, gate, up, dgate, dup, { n });
    const [g, u] = [gate.slice(), up.slice()];
    kernels.swigluBackward(x, g, u, g, u, { n });
    expect([g, u]).toEqual([dgate, dup]);
  });
});
