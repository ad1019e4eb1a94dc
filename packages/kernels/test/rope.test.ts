// Rotary position embedding: tables, rotation and its inverse, scaling that makes no sense.
import fc from "fast-check";
import { expect, test } from "vitest";
import { rope, ropeFrequencies, ropeTables } from "../src/index.js";
import { expectClose, FEW_ROUNDINGS, random, weigh } from "./compare.js";

const headDim = 32;
const tables = ropeTables({ positions: 100, headDim, theta: 10000 });

test("tables hold the cosine and sine of position · theta^(-2i / headDim)", () => {
  expect(tables.cos.length).toBe(100 * 16);
  for (const [position, i] of [
    [0, 0],
    [1, 3],
    [99, 15],
  ] as const) {
    const angle = position * 10000 ** ((-2 * i) / headDim);
    expect(tables.cos[position * 16 + i]).toBeCloseTo(Math.cos(angle), 5);
    expect(tables.sin[position * 16 + i]).toBeCloseTo(Math.sin(angle), 5);
  }
  expect(ropeTables({ positions: 0, headDim, theta: 10000 }).cos.length).toBe(0);
});

test("inverse undoes it; products of a query and a key depend on the distance of their positions alone", () => {
  fc.assert(
    fc.property(fc.nat({ max: 49 }), fc.nat({ max: 49 }), fc.nat({ max: 49 }), (a, b, shift) => {
      const turn = (x: Float32Array, position: number, inverse = false) => {
        const y = x.slice();
        rope(y, Int32Array.of(position), tables, { m: 1, heads: 1, headDim, inverse });
        return y;
      };
      const [q, k] = [random(headDim, a), random(headDim, b)];
      expectClose(turn(turn(q, a), a, true), q, FEW_ROUNDINGS);
      const here = weigh(turn(q, a), turn(k, b));
      const there = weigh(turn(q, a + shift), turn(k, b + shift));
      expect(Math.abs(here - there)).toBeLessThan(1e-3); // angles are float32: 2^-24 of up to 100 radians, 32 terms
    }),
  );
});

test("llama3 scaling keeps fast frequencies, divides slow ones, and blends in between", () => {
  const plain = ropeFrequencies({ headDim: 128, theta: 500000 });
  const scaling = {
    type: "llama3",
    factor: 8,
    lowFreqFactor: 1,
    highFreqFactor: 4,
    originalMaxPositions: 8192,
  } as const;
  const scaled = ropeFrequencies({ headDim: 128, theta: 500000, scaling });
  const ratios = scaled.map((frequency, i) => plain[i]! / frequency);
  expect(ratios[0]).toBe(1);
  expect(ratios.at(-1)).toBe(8);
  expect(ratios.some((ratio) => ratio > 1.1 && ratio < 7.9)).toBe(true);
  expect([...ratios]).toEqual([...ratios].sort((a, b) => a - b));
  expect(ropeFrequencies({ headDim: 4, theta: 100, scaling: { type: "linear", factor: 2 } })).toEqual(
    Float32Array.of(0.5, 0.05),
  );
});

test("arguments that make no sense", () => {
  const valid = { positions: 1, headDim: 4, theta: 100 };
  const llama3 = {
    type: "llama3",
    factor: 8,
    lowFreqFactor: 1,
    highFreqFactor: 4,
    originalMaxPositions: 8192,
  } as const;
  expect(() => ropeTables({ ...valid, headDim: 3 })).toThrow(/^headDim must be even and > 0, got 3$/);
  expect(() => ropeTables({ ...valid, positions: -1 })).toThrow(/^positions must be a whole number ≥ 0, got -1$/);
  for (const theta of [0, -1, Number.NaN, Infinity])
    expect(() => ropeTables({ ...valid, theta })).toThrow(/^theta must be a number > 0/);
  for (const scaling of [
    { type: "yarn", factor: 2 } as never,
    { type: "linear", factor: 0 } as const,
    { ...llama3, lowFreqFactor: 4 },
    { ...llama3, originalMaxPositions: 0 },
    { type: "llama3", factor: 8 } as never,
  ])
    expect(() => ropeTables({ ...valid, scaling })).toThrow(/^scaling/);
});
