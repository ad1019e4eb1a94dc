// bf16: nearest even, stochastic, and the random bits behind it.
import { describe, expect, test } from "vitest";
import { packHyper } from "../src/hyper.js";
import { AdamW } from "../src/index.js";
import { native, setSimd, simds } from "../src/native.js";
import { narrow, philox, widenOne } from "../src/rounding.js";
import { half, normal, setGradients } from "./inputs.js";

test("Philox4x32-10 gives the published vectors (Random123 kat_vectors)", () => {
  const hex = (words: number[]) => words.map((w) => w.toString(16).padStart(8, "0")).join(" ");
  expect(hex(philox([0, 0, 0, 0], [0, 0]))).toBe("6627e8d5 e169c58d bc57ac4c 9b00dbd8");
  const all = 0xffffffff;
  expect(hex(philox([all, all, all, all], [all, all]))).toBe("408f276d 41c83b0e a20bc7c6 6d5451fd");
  expect(hex(philox([0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0]))).toBe(
    "d16cfe09 94fdcceb 5001e420 24126ea1",
  );
});

/** Rounds x to bf16: SGD without momentum, from zero weights with the gradient −x and rate 1. */
function round(x: Float32Array, random: Uint32Array | null, first = 0): Uint16Array {
  const n = x.length;
  const weights = new Uint16Array(n);
  const master = random ? null : new Float32Array(n);
  native.step(
    3,
    n,
    weights,
    x.map((v) => -v),
    packHyper({ rate: 1 }),
    new Float32Array(n),
    null,
    null,
    null,
    null,
    null,
    master,
    random,
    first,
  );
  return weights;
}

describe.each(simds())("%s", (simd) => {
  test("nearest: every kind of number", () => {
    setSimd(simd);
    const cases: [number, number][] = [
      [1, 0x3f80],
      [1 + 2 ** -8, 0x3f80], // a tie, to even
      [1 + 3 * 2 ** -8, 0x3f82],
      [1 + 2 ** -8 + 2 ** -20, 0x3f81],
      [-1.5, 0xbfc0],
      [3.4e38, 0x7f80], // above the largest bf16: infinity
      [1e-40, 0x0001],
      [0, 0],
    ];
    const x = Float32Array.from(cases, ([v]) => v);
    expect([...round(x, null)].map((v) => v & 0xffff)).toEqual(cases.map(([, v]) => v));
    const many = normal(1, 5000);
    expect(round(many, null)).toEqual(Uint16Array.from(many, narrow));
  });

  test("stochastic: one of the two neighbours, unbiased, exact values stay", () => {
    setSimd(simd);
    const trials = 1 << 16;
    for (const part of [0, 0.25, 0.5, 0.9]) {
      const x = new Float32Array(trials).fill(1 + part * 2 ** -7);
      const rounded = round(x, Uint32Array.of(1, 2, 3, 4));
      const up = rounded.filter((v) => v === 0x3f81).length;
      expect(rounded.every((v) => v === 0x3f80 || v === 0x3f81)).toBe(true);
      const deviation = Math.sqrt(trials * part * (1 - part));
      expect(Math.abs(up - part * trials)).toBeLessThanOrEqual(5 * deviation);
    }
  });

  test("stochastic: bits depend on seed, parameter, step and element, not on where a run is cut", () => {
    setSimd(simd);
    const x = normal(2, 2048);
    const base = round(x, Uint32Array.of(1, 2, 3, 4));
    expect(round(x, Uint32Array.of(1, 2, 3, 4))).toEqual(base);
    for (const changed of [
      [9, 2, 3, 4],
      [1, 9, 3, 4],
      [1, 2, 9, 4],
      [1, 2, 3, 9],
    ])
      expect(round(x, Uint32Array.from(changed))).not.toEqual(base);
    expect(round(x, Uint32Array.of(1, 2, 3, 4), 256)).not.toEqual(base);
    expect(round(x.subarray(1024), Uint32Array.of(1, 2, 3, 4), 1024)).toEqual(base.subarray(1024));
  });
});

test("small updates are lost by rounding to nearest in place, but not with a master or stochastically", () => {
  const n = 4096;
  const run = (bf16: "master" | "stochastic") => {
    const p = { ...half("w", n), data: new Uint16Array(n).fill(0x3f80) }; // 1
    using optimizer = new AdamW([p], { lr: 1e-4, bf16 });
    for (let step = 1; step <= 100; ++step) {
      p.grad.fill(1);
      optimizer.step();
    }
    return p.data.reduce((sum, v) => sum + widenOne(v), 0) / n;
  };
  expect(run("master")).toBeCloseTo(0.99, 2); // 100 steps of 1e-4, of which bf16 near 1 resolves 2^-8
  expect(Math.abs(run("stochastic") - 0.99)).toBeLessThan(5e-4);
  expect(narrow(1 - 1e-4)).toBe(0x3f80);
});

test("a master holds what f32 training gives, and the weights are it rounded", () => {
  const n = 5000;
  const p = half("w", n);
  const f32 = { name: "w", data: Float32Array.from(p.data, widenOne), grad: p.grad };
  using rounded = new AdamW([p], { bf16: "master", weightDecay: 0.1 });
  using exact = new AdamW([f32], { weightDecay: 0.1 });
  for (let step = 1; step <= 5; ++step) {
    setGradients([p], step);
    rounded.step();
    exact.step();
  }
  expect(rounded.stateDict().tensors.get("w.master")).toEqual(f32.data);
  expect(p.data).toEqual(Uint16Array.from(f32.data, narrow));
});
