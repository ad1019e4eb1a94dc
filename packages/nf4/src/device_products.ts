// Products with 4-bit weights on a device.

import { cublas } from "./cuda.js";
import {
  checkArray,
  checkDeviceTensor,
  type DeviceArray,
  type DeviceQuantizedTensor,
  kernelArguments,
} from "./device.js";
import { cudaKernels } from "./native.js";

/** Rows of x from which on decoding the weights first pays: native/products.cu has the same numbers, and why. */
const rows = { cublas: 256, own: 1024 };

/** Fewest rows of x for which `scratch` and `dense` are of use on a device; without one named, on any. @throws {NoCudaError} */
export function denseRows(device?: DeviceArray["device"]): number {
  return device === undefined || cublas(device).path !== null ? rows.cublas : rows.own;
}

export interface DeviceProductOptions {
  /** Written and returned, in f32 or bf16; exactly as long as the result. It must not overlap the input. */
  out: DeviceArray;
  /** Add to `out` instead of overwriting it. */
  accumulate?: boolean | undefined;
  /**
   * bf16, at least n·k elements: for many rows (`denseRows`), weights are decoded into it and multiplied as a dense matrix.
   * Without it every tile of the product decodes its own.
   */
  scratch?: DeviceArray | undefined;
  /** bf16 [n, k]: what `dequantize` gave, in place of decoding into `scratch`; changes no bit. */
  dense?: DeviceArray | undefined;
}

/** `matmul`, or with `transposed` `matmulTransposed`, on a device: queued. */
export function productOnDevice(
  transposed: boolean,
  name: string,
  x: DeviceArray,
  q: DeviceQuantizedTensor,
  { out, accumulate = false, scratch, dense }: DeviceProductOptions,
): DeviceArray {
  checkDeviceTensor(q);
  if (q.shape.length !== 2) throw new RangeError(`q.shape must be [n, k], got [${q.shape.join(", ")}]`);
  const [n, k] = q.shape as [number, number];
  const { device } = q;
  checkArray(x, device, ["f32", "bf16"], name, 0);
  const columns = transposed ? n : k;
  const m = columns === 0 ? 0 : x.length / columns;
  if (!Number.isInteger(m) || (columns === 0 && x.length > 0))
    throw new RangeError(`${name} has ${x.length} elements, not a multiple of ${transposed ? "n" : "k"} = ${columns}`);
  const length = m * (transposed ? k : n);
  checkArray(out, device, ["f32", "bf16"], "out", length);
  if (out.length !== length) throw new RangeError(`out has ${out.length} elements, needs ${length}`);
  for (const [name, array] of Object.entries({ scratch, dense }))
    if (array) checkArray(array, device, "bf16", name, n * k);
  const optional = [scratch ?? null, dense ?? null] as const;
  cudaKernels(device).product4(transposed, accumulate, m, n, k, x, out, ...kernelArguments(q), ...optional);
  return out;
}
