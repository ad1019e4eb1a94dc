// Dense products on the emulated device against float64 sums, in every order of its threads: sizes that fill tiles and that do
// not, every combination of f32 and bf16.
import {
  allocArray,
  type DeviceArray,
  emulations,
  type HostArray,
  type KernelAddon,
  toDevice,
} from "@qlora/cuda-runtime";
import { loadAddon } from "@qlora/cuda-runtime/load";
import { beforeAll, describe, expect, it } from "vitest";
import { type MatmulOptions, matmul, matmulGradWeight, matmulTransposed } from "../src/index.js";
import * as reference from "../src/matmul_reference.js";
import { random } from "./compare.js";

const device = "cuda-emu";
const addon = loadAddon<KernelAddon>("kernels.emu", new URL("../src/cuda.ts", import.meta.url).href);

/** f32 sums of products of bf16 that were rounded before: only their order differs. */
const F32_SUMS = 2e-6;
/** A result rounded to bf16: at most 2^-9 of each element. */
const BF16_RESULT = 2 ** -8;

const toBf16 = (x: Float32Array) =>
  Uint16Array.from(new Uint32Array(x.buffer, x.byteOffset, x.length), (b) => (b + 0x7fff + ((b >>> 16) & 1)) >>> 16);
const fromBf16 = (x: Uint16Array) => new Float32Array(Uint32Array.from(x, (bits) => bits << 16).buffer);
const widen = (x: HostArray) => (x instanceof Uint16Array ? fromBf16(x) : (x as Float32Array));

type Product = (left: DeviceArray, right: DeviceArray, out: DeviceArray, options: MatmulOptions) => void;
type Oracle = (left: Float32Array, right: Float32Array, out: Float32Array, options: MatmulOptions) => void;
const products: { name: string; run: Product; oracle: Oracle; sizes: [string, string, string] }[] = [
  { name: "matmul", run: matmul, oracle: reference.matmul, sizes: ["mk", "nk", "mn"] },
  { name: "matmulTransposed", run: matmulTransposed, oracle: reference.matmulTransposed, sizes: ["mn", "nk", "mk"] },
  { name: "matmulGradWeight", run: matmulGradWeight, oracle: reference.matmulGradWeight, sizes: ["mn", "mk", "nk"] },
];

type Types = readonly [left: "f32" | "bf16", right: "f32" | "bf16", out: "f32" | "bf16"];
const size = (name: string, shape: MatmulOptions) =>
  [...name].reduce((product, d) => product * shape[d as "m" | "n" | "k"], 1);

/** ‖a − b‖ / ‖b‖ */
function distance(a: Float32Array, b: Float32Array): number {
  const error = a.reduce((sum, value, i) => sum + (value - b[i]!) ** 2, 0);
  return Math.sqrt(error / (b.reduce((sum, value) => sum + value ** 2, 0) || 1));
}

/** What the device computes and what float64 does, from the same operands. */
function compare({ run, oracle, sizes }: (typeof products)[number], options: MatmulOptions, types: Types, offset = 0) {
  const host = sizes.map((name, i) => {
    const values = random(size(name, options) + offset, i + 1);
    const bf16 = toBf16(values);
    // operands of few rows stay f32; all others are multiplied as bf16
    const rounded = types[i] === "bf16" || (i < 2 && (run !== matmul || options.m > 4)) ? fromBf16(bf16) : values;
    return { stored: types[i] === "bf16" ? bf16 : values, rounded: rounded.subarray(offset) };
  });
  const arrays = host.map(({ stored }) => toDevice(stored, { device }));
  const [left, right, out] = arrays.map((array) => array.subarray(offset)) as [DeviceArray, DeviceArray, DeviceArray];
  run(left, right, out, options);
  const expected = host[2]!.rounded.slice();
  oracle(host[0]!.rounded, host[1]!.rounded, expected, options);
  const actual = widen(out.toHost());
  const before = arrays[2]!.subarray(0, offset).toHost();
  expect(before).toEqual(host[2]!.stored.subarray(0, offset));
  for (const array of arrays) array.free();
  expect(distance(actual, expected)).toBeLessThan(types[2] === "f32" ? F32_SUMS : BF16_RESULT);
  return actual;
}

const bf16: Types = ["bf16", "bf16", "bf16"];
const types: Types[] = (["f32", "bf16"] as const).flatMap((left) =>
  (["f32", "bf16"] as const).flatMap((right) => (["f32", "bf16"] as const).map((out) => [left, right, out] as const)),
);

describe.each(emulations)("$schedule, $copies copies", ({ schedule, copies }) => {
  beforeAll(() => addon.setEmulation!(schedule, copies, 1));
  describe.each(products)("$name", (product) => {
    it.each([
      [1, 1, 1],
      [3, 5, 7],
      [16, 64, 32],
      [70, 66, 68],
      [65, 172, 129],
    ])("%i × %i × %i", (m, n, k) => {
      compare(product, { m, n, k }, bf16);
      compare(product, { m, n, k, alpha: -0.5, accumulate: true }, ["bf16", "f32", "f32"]);
    });

    it.runIf(schedule === "forward")("large tiles, ragged", () => {
      const [rows, columns, depth] = [1160, 1176, 72];
      const shape = {
        matmul: { m: rows, n: columns, k: depth },
        matmulTransposed: { m: rows, n: depth, k: columns },
        matmulGradWeight: { m: depth, n: rows, k: columns },
      }[product.name]!;
      compareLarge(product, shape);
    });
  });
});

// The oracle takes long for large results: integers, whose sums are exact on the device too, by rows of a repeating pattern.
function compareLarge(product: (typeof products)[number], shape: MatmulOptions) {
  addon.emulationStatistics!();
  const values = (name: string, seed: number) =>
    toBf16(Float32Array.from({ length: size(name, shape) }, (_, i) => ((i * 7 + seed * 13 + (i >> 5)) % 17) - 8));
  const [left, right] = [values(product.sizes[0], 1), values(product.sizes[1], 2)];
  using l = toDevice(left, { device });
  using r = toDevice(right, { device });
  using out = allocArray("f32", size(product.sizes[2], shape), { device });
  product.run(l, r, out, { ...shape, accumulate: false });
  const expected = new Float32Array(out.length);
  product.oracle(fromBf16(left), fromBf16(right), expected, { ...shape, accumulate: false });
  expect(distance(out.toHost() as Float32Array, expected)).toBe(0);
  expect(addon.emulationStatistics!()).toMatchObject({ launches: 1, blocks: 100, bankConflicts: 0 });
}

describe.each(products)("$name", (product) => {
  it.each(types)("%s, %s → %s", (...types) => {
    for (const m of [4, 33]) compare(product, { m, n: 40, k: 96, accumulate: m === 4 }, types);
  });

  it("arrays that begin anywhere", () => {
    for (const offset of [1, 2, 4])
      for (const m of [2, 20]) {
        compare(product, { m, n: 24, k: 40 }, bf16, offset);
        compare(product, { m, n: 24, k: 40, accumulate: true }, ["f32", "f32", "f32"], offset);
      }
  });

  it("does nothing to an empty output, and writes zeros for an empty sum", () => {
    for (const empty of ["m", "n", "k"])
      for (const accumulate of [false, true]) compare(product, { m: 5, n: 6, k: 7, [empty]: 0, accumulate }, bf16);
  });

  it("has no bank conflicts", () => {
    addon.emulationStatistics!();
    compare(product, { m: 64, n: 64, k: 64 }, bf16);
    expect(addon.emulationStatistics!().bankConflicts).toBe(0);
  });

  it("names the argument that is wrong", () => {
    using a = toDevice(new Float32Array(12), { device });
    using i = allocArray("i32", 12, { device });
    const shape = { m: 2, n: 3, k: 4 };
    expect(() => product.run(a.subarray(10), a, a, shape)).toThrow(/(x|dy) has 2 elements, needs \d+/);
    expect(() => product.run(a, i, a, shape)).toThrow(/(w|x) must be a device array of f32 or bf16/);
    expect(() => product.run(a, a, new Float32Array(12) as never, shape)).toThrow(TypeError);
    expect(() => product.run(a, a, a, { ...shape, m: 2 ** 31 })).toThrow("m, n and k must be below 2^31");
  });
});
