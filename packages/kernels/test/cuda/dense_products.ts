// The dense products as data, and float64 sums of them.
import type { DeviceArray } from "@qlora/cuda-runtime";
import { type MatmulOptions, matmul, matmulGradWeight, matmulTransposed } from "../../src/index.js";
import * as reference from "../../src/matmul_reference.js";

type Product = (left: DeviceArray, right: DeviceArray, out: DeviceArray, options: MatmulOptions) => void;
type Oracle = (left: Float32Array, right: Float32Array, out: Float32Array, options: MatmulOptions) => void;
/** The three, what float64 says of them, and the sizes of left, right and out. */
export const products: { name: string; run: Product; oracle: Oracle; sizes: [string, string, string] }[] = [
  { name: "matmul", run: matmul, oracle: reference.matmul, sizes: ["mk", "nk", "mn"] },
  { name: "matmulTransposed", run: matmulTransposed, oracle: reference.matmulTransposed, sizes: ["mn", "nk", "mk"] },
  { name: "matmulGradWeight", run: matmulGradWeight, oracle: reference.matmulGradWeight, sizes: ["mn", "mk", "nk"] },
];

export const size = (name: string, shape: MatmulOptions) =>
  [...name].reduce((product, d) => product * shape[d as "m" | "n" | "k"], 1);

/** ‖a − b‖ / ‖b‖ */
export function distance(a: Float32Array, b: Float32Array): number {
  const error = a.reduce((sum, value, i) => sum + (value - b[i]!) ** 2, 0);
  return Math.sqrt(error / (b.reduce((sum, value) => sum + value ** 2, 0) || 1));
}
