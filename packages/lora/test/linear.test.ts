// Forward and backward: against PEFT's layers, against finite differences, and what dropout, sharing and recomputation promise.
import { dropout } from "@qlora/kernels";
import { openSafetensors } from "@qlora/safetensors";
import { expect, test } from "vitest";
import {
  type Adapter,
  adapterOf,
  createAdapter,
  keptSize,
  type LoraOptions,
  loraBackward,
  loraForward,
  scratchSize,
  zeroGradients,
} from "../src/index.js";
import { difference, golden, random } from "./shared.js";

const f32 = (file: ReturnType<typeof openSafetensors>, name: string) => new Float32Array(file.read(name).buffer);

test("PEFT's layers: outputs, gradients of A and B, gradient of the shared input", () => {
  using file = openSafetensors(golden("gradients.safetensors"));
  const m = 7;
  const alpha = 5;
  const x = f32(file, "x");
  const adapters = [0, 1, 2].map((i) => {
    const [r, inFeatures] = file.info(`a${i}`).shape as [number, number];
    const outFeatures = file.info(`b${i}`).shape[0]!;
    const parts = { r, inFeatures, outFeatures, alpha, rslora: i === 1, a: f32(file, `a${i}`), b: f32(file, `b${i}`) };
    const adapter = adapterOf(parts);
    expect(adapter.scaling).toBe(new Float64Array(file.read(`scaling${i}`).buffer)[0]);
    zeroGradients(adapter);
    return adapter;
  });
  const ys = [0, 1, 2].map((i) => f32(file, `base${i}`));
  const kept = new Float32Array(keptSize(adapters, m));
  loraForward(x, adapters, ys, kept, { m });
  for (const i of [0, 1, 2]) expect(difference(ys[i]!, f32(file, `y${i}`))).toBeLessThan(1e-6);

  // the base layers' part of dx, in float64
  const dys = [0, 1, 2].map((i) => f32(file, `dy${i}`));
  const dx = new Float32Array(x.length);
  for (const [i, dy] of dys.entries()) {
    const w = f32(file, `w${i}`);
    const n = dy.length / m;
    for (let row = 0; row < m; row++)
      for (let k = 0; k < 12; k++) for (let j = 0; j < n; j++) dx[row * 12 + k]! += dy[row * n + j]! * w[j * 12 + k]!;
  }
  loraBackward(dys, x, adapters, kept, dx, { m, scratch: new Float32Array(scratchSize(adapters, { m })) });
  expect(difference(dx, f32(file, "dx"))).toBeLessThan(1e-6);
  for (const [i, { gradA, gradB }] of adapters.entries()) {
    expect(difference(gradA, f32(file, `gradA${i}`))).toBeLessThan(1e-6);
    expect(difference(gradB, f32(file, `gradB${i}`))).toBeLessThan(1e-6);
  }
});

/** Two adapters of ranks 3 and 2 on an input of 10, with B that is not zero. */
function pair(): Adapter[] {
  return [3, 2].map((r, i) => {
    const adapter = createAdapter({ inFeatures: 10, outFeatures: 6 + i, r, alpha: 4, seed: 1, name: `${i}` });
    adapter.b.set(random(adapter.b.length, i + 7));
    return adapter;
  });
}

const drop = { p: 0.3, seed: 123456789012345678901234567890n & (2n ** 64n - 1n), offset: 1000 };

/** Everything around one call: inputs, buffers filled with NaN, the loss Σ y·dy. */
function setting(adapters: Adapter[], options: Omit<LoraOptions, "scratch">) {
  const { m } = options;
  const x = random(m * 10, 1);
  const dys = adapters.map(({ outFeatures }, i) => random(m * outFeatures, 20 + i));
  const kept = new Float32Array(keptSize(adapters, m)).fill(Number.NaN);
  const scratch = new Float32Array(scratchSize(adapters, options)).fill(Number.NaN);
  const loss = () => {
    const ys = adapters.map(({ outFeatures }) => new Float32Array(m * outFeatures));
    loraForward(x, adapters, ys, kept, { ...options, scratch });
    return ys.reduce((sum, y, i) => y.reduce((s, value, j) => s + value * dys[i]![j]!, sum), 0);
  };
  const backward = (dx: Float32Array | null) => loraBackward(dys, x, adapters, kept, dx, { ...options, scratch });
  return { x, dys, kept, scratch, loss, backward };
}

for (const [what, dropout] of [
  ["without dropout", undefined],
  ["with dropout", drop],
  ["with dropout 0", { ...drop, p: 0 }],
] as const)
  test(`finite differences, ${what}`, () => {
    const adapters = pair();
    const { x, loss, backward } = setting(adapters, { m: 5, dropout });
    loss();
    const dx = new Float32Array(x.length);
    backward(dx);
    // the loss is linear in each number alone, so the difference is exact up to float32's rounding
    const check = (data: Float32Array, gradient: Float32Array) => {
      const step = 0.5;
      const numeric = Float32Array.from(data, (value, i) => {
        data[i] = value + step;
        const above = loss();
        data[i] = value - step;
        const below = loss();
        data[i] = value;
        return (above - below) / (2 * step);
      });
      expect(difference(gradient, numeric)).toBeLessThan(2e-6);
      expect(Math.max(...numeric.map(Math.abs))).toBeGreaterThan(0.1);
    };
    check(x, dx);
    for (const { a, b, gradA, gradB } of adapters) {
      check(a, gradA);
      check(b, gradB);
    }
  });

test("dropout: the mask is the kernel's, shared by all adapters, and stays where it was in recomputation", () => {
  const adapters = pair();
  const { x, kept, loss } = setting(adapters, { m: 5, dropout: drop });
  loss();
  const first = kept.slice();
  const masked = new Float32Array(x.length);
  dropout(x, masked, { n: x.length, ...drop });
  expect(masked.filter((value) => value === 0).length).toBeGreaterThan(5);
  let at = 0;
  for (const { a, r } of adapters)
    for (let row = 0; row < 5; row++)
      for (let j = 0; j < r; j++) {
        let sum = 0;
        for (let k = 0; k < 10; k++) sum += masked[row * 10 + k]! * a[j * 10 + k]!;
        expect(Math.abs(first[at++]! - sum)).toBeLessThan(1e-5);
      }
  loss();
  expect(kept).toEqual(first);
});

test("a row's result does not depend on the rows around it: offsets place a piece in the stream", () => {
  const adapters = pair();
  const x = random(6 * 10, 3);
  const run = (from: number, to: number) => {
    const m = to - from;
    const ys = adapters.map(({ outFeatures }) => new Float32Array(m * outFeatures));
    const options = { m, dropout: { ...drop, offset: drop.offset + from * 10 } };
    const scratch = new Float32Array(scratchSize(adapters, { ...options, backward: false }));
    loraForward(x.slice(from * 10, to * 10), adapters, ys, new Float32Array(keptSize(adapters, m)), {
      ...options,
      scratch,
    });
    return ys;
  };
  const whole = run(0, 6);
  for (const i of [0, 1]) {
    const joined = [...run(0, 2)[i]!, ...run(2, 6)[i]!];
    expect(difference(joined, whole[i]!)).toBeLessThan(1e-6);
  }
});

test("gradients and dx are added to; null for dx leaves the gradients the same", () => {
  const adapters = pair();
  const { x, loss, backward } = setting(adapters, { m: 5, dropout: drop });
  loss();
  const dx = new Float32Array(x.length);
  backward(dx);
  const once = adapters.map(({ gradA, gradB }) => [gradA.slice(), gradB.slice()]);
  const twice = dx.slice();
  backward(twice);
  expect(
    difference(
      twice,
      dx.map((value) => 2 * value),
    ),
  ).toBeLessThan(1e-6);
  for (const [i, { gradA, gradB }] of adapters.entries()) {
    expect(
      difference(
        gradA,
        once[i]![0]!.map((value) => 2 * value),
      ),
    ).toBeLessThan(1e-6);
    expect(
      difference(
        gradB,
        once[i]![1]!.map((value) => 2 * value),
      ),
    ).toBeLessThan(1e-6);
    zeroGradients(adapters[i]!);
  }
  backward(null);
  expect(adapters.map(({ gradA, gradB }) => [gradA, gradB])).toEqual(once);
});

test("null for an output: kept as the whole forward leaves it, for a recomputation", () => {
  const adapters = pair();
  const { x, kept, scratch, loss } = setting(adapters, { m: 5, dropout: drop });
  loss();
  const whole = kept.slice();
  kept.fill(Number.NaN);
  loraForward(x, adapters, [null, null], kept, { m: 5, dropout: drop, scratch });
  expect(kept).toEqual(whole);
});

test("B = 0: a new adapter changes nothing, bit for bit", () => {
  const adapter = createAdapter({ inFeatures: 10, outFeatures: 6, r: 4, alpha: 8, seed: 3 });
  const y = random(30, 4);
  const before = y.slice();
  loraForward(random(50, 5), [adapter], [y], new Float32Array(20), { m: 5 });
  expect(y).toEqual(before);
});

test("bad arguments are named with the numbers", () => {
  const adapters = pair();
  const { x, dys, kept, scratch } = setting(adapters, { m: 5, dropout: drop });
  const forward =
    (over: Partial<{ x: Float32Array; ys: Float32Array[]; kept: Float32Array; options: LoraOptions }>) => () =>
      loraForward(
        over.x ?? x,
        adapters,
        over.ys ?? dys,
        over.kept ?? kept,
        over.options ?? { m: 5, dropout: drop, scratch },
      );
  expect(forward({ x: x.subarray(1) })).toThrow("x has 49 elements, needs 50");
  expect(forward({ ys: [dys[0]!] })).toThrow("ys has 1 arrays for 2 adapters, needs one for each");
  expect(forward({ ys: [dys[0]!, dys[1]!.subarray(1)] })).toThrow("ys[1] has 34 elements, needs 35");
  expect(forward({ kept: kept.subarray(1) })).toThrow("kept has 24 elements, needs 25");
  expect(forward({ options: { m: 5, dropout: drop } })).toThrow("scratch has 0 elements, needs 50");
  expect(forward({ options: { m: 0, scratch } })).toThrow("m must be a whole number ≥ 1, got 0");
  const options = { m: 5, dropout: drop, scratch };
  expect(() => loraBackward(dys, x, adapters, kept, x.slice(1), options)).toThrow(RangeError);
  expect(() => loraBackward(dys, x, adapters, kept, null, { ...options, scratch: scratch.subarray(1) })).toThrow(
    "scratch has 74 elements, needs 75",
  );
  const other = createAdapter({ inFeatures: 11, outFeatures: 7, r: 2, alpha: 1, seed: 0 });
  expect(() => loraForward(x, [adapters[0]!, other], dys, kept, options)).toThrow(
    "adapters[1] takes 11 inputs, adapters[0] takes 10",
  );
  const frozen = adapterOf(adapters[0]!);
  expect(() => loraBackward([dys[0]!], x, [frozen], kept, null, options)).toThrow("adapters[0] has no gradients");
});
