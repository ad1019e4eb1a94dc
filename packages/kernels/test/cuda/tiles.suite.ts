// Dense products that fill large tiles and some in part, on a device: of integers, whose sums are exact in any order.
import { allocArray, type DeviceId, leaks, toDevice } from "@qlora/cuda-runtime";
import { afterEach, expect, test } from "vitest";
import { distance, products, size } from "./dense_products.js";
import { rounded, widened } from "./on_device.js";

const [rows, columns, depth] = [1160, 1176, 72];
const shapes = {
  matmul: { m: rows, n: columns, k: depth },
  matmulTransposed: { m: rows, n: depth, k: columns },
  matmulGradWeight: { m: depth, n: rows, k: columns },
};

export default function tilesSuite(device: DeviceId): void {
  afterEach(() => expect(leaks()).toEqual([]));

  test.each(products)("$name", ({ name, run, oracle, sizes }) => {
    const options = { ...shapes[name as keyof typeof shapes], accumulate: false };
    const values = (of: string, seed: number) =>
      rounded(Float32Array.from({ length: size(of, options) }, (_, i) => ((i * 7 + seed * 13 + (i >> 5)) % 17) - 8));
    const [left, right] = [values(sizes[0], 1), values(sizes[1], 2)];
    using l = toDevice(left, { device });
    using r = toDevice(right, { device });
    using out = allocArray("f32", size(sizes[2], options), { device });
    run(l, r, out, options);
    const expected = new Float32Array(out.length);
    oracle(widened(left), widened(right), expected, options);
    expect(distance(out.toHost() as Float32Array, expected)).toBe(0);
  });
}
