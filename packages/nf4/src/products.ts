// Matrix products straight from 4 bits: x·Wᵀ forward and dy·W backward.
import { levels } from "./codebooks.js";
import { type DeviceArray, type DeviceQuantizedTensor, isOnDevice } from "./device.js";
import { type DeviceProductOptions, productOnDevice } from "./device_products.js";
import { levelScale } from "./int8_reference.js";
import { isReference } from "./kernels.js";
import { native } from "./native.js";
import * as reference from "./products_reference.js";
import { checkParts, describe } from "./shape.js";
import type { TiledWeights } from "./tile.js";
import type { QuantizedTensor } from "./types.js";
import { unfilled } from "./unfilled.js";

export interface ProductOptions {
  /** Written and returned instead of a new array; exactly as long as the result. It must not overlap the input. */
  out?: Float32Array | undefined;
  /** Add to `out` instead of overwriting it. */
  accumulate?: boolean | undefined;
  /**
   * "f32" unless given. "int8" rounds the activations to 8 bits, with a scale per row and 64 elements, and the weights from 4
   * bits to 8: several times as fast where the processor multiplies bytes, with a relative error near 1 % on Gaussian data.
   */
  compute?: "f32" | "int8" | undefined;
}

/**
 * y [m, n] = x [m, k]·Wᵀ for quantised weights W [n, k]; m is x.length / k. Weights are decoded on the way, never stored.
 * Sums are f32; their order depends on the sizes and the instruction set, never on the number of threads.
 *
 * With x and q on a device (x and `out` in f32 or bf16) it is queued on the default stream: activations are multiplied in bf16, weights
 * rounded to it as `dequantize` does, except for up to 16 rows of bf16 x, whose weights stay f32.
 * @throws {TypeError|RangeError} naming the argument and the numbers.
 */
export function matmul(x: Float32Array, q: QuantizedTensor | TiledWeights, options?: ProductOptions): Float32Array;
export function matmul(x: DeviceArray, q: DeviceQuantizedTensor, options: DeviceProductOptions): DeviceArray;
export function matmul(x: Input, q: Tensor, options: Options = {}): Input {
  return product(false, "x", x, q, options);
}

/** dx [m, k] = dy [m, n]·W for quantised weights W [n, k]: the gradient of `matmul` with respect to x. Like `matmul` otherwise. */
export function matmulTransposed(
  dy: Float32Array,
  q: QuantizedTensor | TiledWeights,
  options?: ProductOptions,
): Float32Array;
export function matmulTransposed(dy: DeviceArray, q: DeviceQuantizedTensor, options: DeviceProductOptions): DeviceArray;
export function matmulTransposed(dy: Input, q: Tensor, options: Options = {}): Input {
  return product(true, "dy", dy, q, options);
}

type Input = Float32Array | DeviceArray;
type Tensor = QuantizedTensor | TiledWeights | DeviceQuantizedTensor;
type Options = ProductOptions | DeviceProductOptions;

function product(transposed: boolean, name: string, x: Input, q: Tensor, options: Options): Input {
  if (isOnDevice<DeviceQuantizedTensor>(q))
    return productOnDevice(transposed, name, x as DeviceArray, q, options as DeviceProductOptions);
  return productOnHost(transposed, name, x as Float32Array, q, options as ProductOptions);
}

function productOnHost(
  transposed: boolean,
  name: string,
  x: Float32Array,
  q: QuantizedTensor | TiledWeights,
  { out, accumulate = false, compute = "f32" }: ProductOptions,
): Float32Array {
  if (compute !== "f32" && compute !== "int8")
    throw new RangeError(`compute must be "f32" or "int8", got "${compute}"`);
  const tiled = "layout" in q;
  const codes = tiled ? q.tiles : q.codes;
  checkParts(q, codes);
  if (q.shape.length !== 2) throw new RangeError(`q.shape must be [n, k], got [${q.shape.join(", ")}]`);
  const [n, k] = q.shape as [number, number];
  const m = rows(name, x, transposed ? n : k, transposed ? "n" : "k");
  const result = output(out, m * (transposed ? k : n), accumulate);
  const values = levels(q.codebook, q.blockSize);
  const kernels = isReference() ? reference : native!;
  const { nested: scale, nestedShift: shift } = q;
  kernels.product4(
    transposed,
    accumulate,
    compute === "int8",
    m,
    n,
    k,
    tiled,
    q.blockSize,
    x,
    result,
    codes,
    values,
    compute === "int8" ? levelScaleOf(values, values === q.codebook) : 0,
    scale?.codes ?? null,
    scale?.map ?? null,
    scale?.absmax ?? q.absmax!,
    scale?.offset ?? 0,
    shift?.codes ?? null,
    shift?.map ?? null,
    shift?.absmax ?? q.shift ?? null,
    shift?.offset ?? 0,
  );
  return result;
}

const levelScales = new WeakMap<Float32Array, number>();

/** Found once per codebook; one of the caller's own is searched anew, since it may have changed. */
function levelScaleOf(values: Float32Array, own: boolean): number {
  let scale = own ? undefined : levelScales.get(values);
  if (scale === undefined) {
    scale = levelScale(values);
    levelScales.set(values, scale);
  }
  return scale;
}

function rows(name: string, x: Float32Array, columns: number, dimension: string): number {
  if (!(x instanceof Float32Array)) throw new TypeError(`${name} must be a Float32Array, got ${describe(x)}`);
  const m = columns === 0 ? 0 : x.length / columns;
  if (!Number.isInteger(m) || (columns === 0 && x.length > 0))
    throw new RangeError(`${name} has ${x.length} elements, not a multiple of ${dimension} = ${columns}`);
  return m;
}

function output(out: Float32Array | undefined, length: number, accumulate: boolean): Float32Array {
  if (out === undefined) {
    if (accumulate) throw new TypeError("accumulate needs out");
    return unfilled(Float32Array, length);
  }
  if (!(out instanceof Float32Array)) throw new TypeError(`out must be a Float32Array, got ${describe(out)}`);
  if (out.length !== length) throw new RangeError(`out has ${out.length} elements, needs ${length}`);
  return out;
}
