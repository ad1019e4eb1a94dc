// Dense products on a device against float64 sums: sizes that fill tiles and that do not, every combination of f32 and bf16.
import { allocArray, type DeviceArray, type DeviceId, type HostArray, leaks, toDevice } from "@qlora/cuda-runtime";
import { afterEach, describe, expect, it } from "vitest";
import { type MatmulOptions, matmul } from "../../src/index.js";
import { random } from "../compare.js";
import { distance, products, size } from "./dense_products.js";
import { rounded, widened } from "./on_device.js";

/** f32 sums of products of bf16 that were rounded before: only their order differs. */
const F32_SUMS = 2e-6;
/** A result rounded to bf16: at most 2^-9 of each element. */
const BF16_RESULT = 2 ** -8;

const widen = (x: HostArray) => (x instanceof Uint16Array ? widened(x) : (x as Float32Array));

type Types = readonly [left: "f32" | "bf16", right: "f32" | "bf16", out: "f32" | "bf16"];
const bf16: Types = ["bf16", "bf16", "bf16"];
const types: Types[] = (["f32", "bf16"] as const).flatMap((left) =>
  (["f32", "bf16"] as const).flatMap((right) => (["f32", "bf16"] as const).map((out) => [left, right, out] as const)),
);

export default function matmulSuite(device: DeviceId): void {
  afterEach(() => expect(leaks()).toEqual([]));

  /** What the device computes and what float64 does, from the same operands. */
  function compare(
    { run, oracle, sizes }: (typeof products)[number],
    options: MatmulOptions,
    types: Types,
    offset = 0,
  ) {
    const host = sizes.map((name, i) => {
      const values = random(size(name, options) + offset, i + 1);
      const bf16 = rounded(values);
      // operands of few rows stay f32; all others are multiplied as bf16
      const used = types[i] === "bf16" || (i < 2 && (run !== matmul || options.m > 4)) ? widened(bf16) : values;
      return { stored: types[i] === "bf16" ? bf16 : values, used: used.subarray(offset) };
    });
    const arrays = host.map(({ stored }) => toDevice(stored, { device }));
    const [left, right, out] = arrays.map((array) => array.subarray(offset)) as [DeviceArray, DeviceArray, DeviceArray];
    run(left, right, out, options);
    const expected = host[2]!.used.slice();
    oracle(host[0]!.used, host[1]!.used, expected, options);
    const actual = widen(out.toHost());
    const before = arrays[2]!.subarray(0, offset).toHost();
    expect(before).toEqual(host[2]!.stored.subarray(0, offset));
    for (const array of arrays) array.free();
    expect(distance(actual, expected)).toBeLessThan(types[2] === "f32" ? F32_SUMS : BF16_RESULT);
  }

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
}
