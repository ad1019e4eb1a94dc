// New adapters: their distribution, their seeds, Philox's own test vectors, scaling.
import { expect, test } from "vitest";
import { createAdapter, parameters, scaling, zeroGradients } from "../src/index.js";
import { philox, streamOf } from "../src/philox.js";

test("Philox4x32-10: the known answers of Random123 (kat_vectors)", () => {
  const run = (...words: [number, number, number, number, number, number]) => {
    const out = new Uint32Array(4);
    philox(out, ...words);
    return [...out].map((word) => word.toString(16).padStart(8, "0")).join(" ");
  };
  const ones = 0xffffffff;
  expect(run(0, 0, 0, 0, 0, 0)).toBe("6627e8d5 e169c58d bc57ac4c 9b00dbd8");
  expect(run(ones, ones, ones, ones, ones, ones)).toBe("408f276d 41c83b0e a20bc7c6 6d5451fd");
  expect(run(0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0)).toBe(
    "d16cfe09 94fdcceb 5001e420 24126ea1",
  );
});

test("streams: FNV-1a's published values", () => {
  expect(streamOf("")).toBe(0xcbf29ce484222325n);
  expect(streamOf("a")).toBe(0xaf63dc4c8601ec8cn);
  expect(streamOf("foobar")).toBe(0x85944171f73967e8n);
});

const options = { inFeatures: 250, outFeatures: 40, r: 200, alpha: 16, seed: 42n };

test("true: A is U(±1/√in), B is 0, gradients are 0", () => {
  const { a, b, gradA, gradB, scaling } = createAdapter(options);
  const bound = 1 / Math.sqrt(250);
  expect([a.length, b.length, gradA.length, gradB.length, scaling]).toEqual([50000, 8000, 50000, 8000, 16 / 200]);
  expect([b, gradA, gradB].every((x) => x.every((value) => value === 0))).toBe(true);
  const sorted = a.slice().sort();
  expect(sorted[0]).toBeGreaterThanOrEqual(-Math.fround(bound));
  expect(sorted.at(-1)).toBeLessThanOrEqual(Math.fround(bound));
  // Kolmogorov–Smirnov: √n·D is below 1.95 for 99.9 % of seeds
  const d = Math.max(...sorted.map((value, i) => Math.abs(value / bound / 2 + 0.5 - (i + 0.5) / a.length)));
  expect(d * Math.sqrt(a.length)).toBeLessThan(1.95);
});

test('"gaussian": A is N(0, 1/r²)', () => {
  const { a } = createAdapter({ ...options, r: 201, init: "gaussian" }); // 50250 elements
  const moment = (power: number) => a.reduce((sum, value) => sum + (value * 201) ** power, 0) / a.length;
  expect(Math.abs(moment(1))).toBeLessThan(4 / Math.sqrt(a.length));
  expect(Math.abs(moment(2) - 1)).toBeLessThan((4 * Math.SQRT2) / Math.sqrt(a.length));
  expect(Math.abs(moment(4) - 3)).toBeLessThan((4 * Math.sqrt(96)) / Math.sqrt(a.length));
  const neighbours = a.subarray(1).reduce((sum, value, i) => sum + value * a[i]! * 201 ** 2, 0) / a.length;
  expect(Math.abs(neighbours)).toBeLessThan(4 / Math.sqrt(a.length));
  expect(createAdapter({ ...options, inFeatures: 3, r: 1, init: "gaussian" }).a.length).toBe(3);
});

test("the values are these, on every platform and in every version", () => {
  const { a } = createAdapter({
    inFeatures: 2,
    outFeatures: 1,
    r: 3,
    alpha: 1,
    seed: 7,
    name: "model.layers.0.self_attn.q_proj",
  });
  expect([...new Uint32Array(a.buffer)].map((word) => word.toString(16))).toMatchInlineSnapshot(`
    [
      "3eb44df3",
      "3eb4ab65",
      "beceb364",
      "3e944ca3",
      "3f05491d",
      "bf14d2fa",
    ]
  `);
});

test("seed and name decide, nothing else does", () => {
  const make = (seed: bigint | number, name?: string) =>
    createAdapter({ ...options, seed, ...(name !== undefined && { name }) }).a;
  expect(make(42)).toEqual(make(42n));
  expect(make(-1)).toEqual(make(2n ** 64n - 1n));
  const all = [make(42), make(43), make(42n + (1n << 32n)), make(42, "a"), make(42, "b")];
  for (const [i, x] of all.entries())
    for (const y of all.slice(i + 1)) expect(x.filter((value, j) => value === y[j]).length).toBeLessThan(20);
  // the rank only adds rows: the first ones are the same
  expect(createAdapter({ ...options, r: 3 }).a).toEqual(make(42).subarray(0, 750));
});

test("scaling: alpha / r, and alpha / √r", () => {
  expect([scaling(16, 64), scaling(16, 64, true), scaling(1, 3)]).toEqual([0.25, 2, 1 / 3]);
  expect(createAdapter({ ...options, rslora: true }).scaling).toBe(16 / Math.sqrt(200));
});

test("parameters: names of a PEFT file, the arrays themselves", () => {
  const adapter = createAdapter(options);
  expect(parameters("model.q", adapter)).toEqual([
    { name: "model.q.lora_A.weight", data: adapter.a, grad: adapter.gradA },
    { name: "model.q.lora_B.weight", data: adapter.b, grad: adapter.gradB },
  ]);
  expect(parameters("q", adapter)[0]!.data).toBe(adapter.a);
  adapter.gradA.fill(1);
  const { gradA } = adapter;
  zeroGradients(adapter);
  expect([adapter.gradA === gradA, gradA.every((value) => value === 0)]).toEqual([true, true]);
});

test("bad options are named", () => {
  for (const bad of [
    { r: 0 },
    { r: 1.5 },
    { inFeatures: -1 },
    { outFeatures: Number.NaN },
    { alpha: Infinity },
    { seed: 0.5 },
  ])
    expect(() => createAdapter({ ...options, ...bad })).toThrow(new RegExp(`${Object.keys(bad)[0]} must be`));
  expect(() => createAdapter({ ...options, init: "pissa" as "gaussian" })).toThrow(
    'init must be true or "gaussian", got pissa',
  );
});
