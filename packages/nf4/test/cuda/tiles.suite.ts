// Products with 4-bit weights that fill large tiles and some in part, on a device.
import { allocArray, type DeviceId, leaks, toDevice as upload } from "@qlora/cuda-runtime";
import { afterEach, expect, test } from "vitest";
import { dequantize, freeTensor, matmul, matmulTransposed, quantize, toDevice } from "../../src/index.js";
import { distance, exactProduct, F32_SUMS, widen } from "../exact_products.js";
import { bf16, gaussian } from "../random.js";

const [m, n, k] = [1170, 1160, 1184];
/** Few rows of x among many of zeros: float64 sums of the rest need not be made. */
const rows = [0, 77, 1169];

export default function tilesSuite(device: DeviceId): void {
  afterEach(() => expect(leaks()).toEqual([]));

  test.each([false, true])("transposed %s", (transposed) => {
    const there = toDevice(quantize(gaussian(n * k, 7), { shape: [n, k] }), (dtype, length) =>
      allocArray(dtype, length, { device }),
    );
    const values = bf16(gaussian(m * k, 3));
    const [columns, width] = transposed ? [n, k] : [k, n];
    const host = new Uint16Array(m * columns);
    for (const row of rows) host.set(values.subarray(row * columns, (row + 1) * columns), row * columns);
    using x = upload(host, { device });
    using out = allocArray("f32", m * width, { device });
    (transposed ? matmulTransposed : matmul)(x, there, { out });
    const result = out.toHost() as Float32Array;
    using decoded = allocArray("bf16", n * k, { device });
    const w = widen(dequantize(there, { out: decoded }).toHost() as Uint16Array);
    for (const row of rows) {
      const expected = exactProduct(transposed, widen(host.subarray(row * columns, (row + 1) * columns)), w, n, k);
      expect(distance(result.subarray(row * width, (row + 1) * width), expected)).toBeLessThan(F32_SUMS);
    }
    expect(result.subarray(78 * width, 1169 * width).every((value) => value === 0)).toBe(true);
    freeTensor(there);
  });
}
