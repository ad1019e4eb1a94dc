// quantize and dequantize, and their sizes.
import { levels } from "./codebooks.js";
import { checkDeviceTensor, type DeviceArray, type DeviceQuantizedTensor, isOnDevice } from "./device.js";
import { type DeviceQuantizeOptions, dequantizeOnDevice, quantizeOnDevice } from "./device_codec.js";
import { allocate, encode, finish } from "./encode.js";
import { kernels } from "./kernels.js";
import { checkLength, checkWeights, plan } from "./plan.js";
import { shifts } from "./scales.js";
import { checkParts, checkTensor, describe } from "./shape.js";
import type { TiledWeights } from "./tile.js";
import type { DequantizeOptions, QuantizedTensor, QuantizeOptions, Weights } from "./types.js";
import { unfilled } from "./unfilled.js";

/**
 * Quantises weights to 4 bits.
 * @param weights the tensor's elements, row-major: f32, or bf16 / f16 words (`dtype`). All must be finite.
 * @returns `options.out` where given, else a new tensor.
 *
 * Weights on a device (f32 or bf16) stay there: the result has the same bytes as the CPU's, in arrays that `options.alloc` makes.
 * This waits for the device.
 * @throws {TypeError|RangeError} naming the argument and the numbers.
 */
export function quantize(weights: Weights, options: QuantizeOptions): QuantizedTensor;
export function quantize(weights: DeviceArray, options: DeviceQuantizeOptions): DeviceQuantizedTensor;
export function quantize(
  weights: Weights | DeviceArray,
  options: QuantizeOptions | DeviceQuantizeOptions,
): QuantizedTensor | DeviceQuantizedTensor {
  if (isOnDevice<DeviceArray>(weights)) return quantizeOnDevice(weights, options as DeviceQuantizeOptions);
  const p = plan(options);
  checkWeights(weights);
  checkLength(weights.length, p.n, p.shape);
  const results = allocate(p, p.n, { out: (options as QuantizeOptions).out });
  encode(p, weights, results, 0);
  return finish(p, results);
}

/**
 * The weights that a quantised tensor stands for, as f32 or, rounded to nearest even, as bf16 words.
 * For a tensor on a device `out` must be given, a device array of f32 or bf16; the work is queued on the default stream.
 * @returns `out` where given, else a new array of n elements.
 */
export function dequantize(
  q: QuantizedTensor,
  options?: DequantizeOptions<Float32Array> & { dtype?: "f32" | undefined },
): Float32Array;
export function dequantize(
  q: QuantizedTensor,
  options: DequantizeOptions<Uint16Array> & { dtype: "bf16" },
): Uint16Array;
export function dequantize<T extends Weights>(q: QuantizedTensor, options: DequantizeOptions<T> & { out: T }): T;
export function dequantize(q: QuantizedTensor, options: DequantizeOptions): Weights;
export function dequantize(q: DeviceQuantizedTensor, options: { out: DeviceArray }): DeviceArray;
export function dequantize(
  q: QuantizedTensor | DeviceQuantizedTensor,
  options: DequantizeOptions | { out: DeviceArray } = {},
): Weights | DeviceArray {
  if (isOnDevice<DeviceQuantizedTensor>(q)) return dequantizeOnDevice(q, options.out as DeviceArray);
  return dequantizeOnHost(q, options as DequantizeOptions);
}

function dequantizeOnHost(q: QuantizedTensor, options: DequantizeOptions): Weights {
  const n = checkTensor(q);
  const out = output(n, options);
  decode(q, 0, n, shifts(q) ?? null, out);
  return out;
}

/** Elements [begin, end) into out[0 …]; begin is a multiple of 256 blocks, shift the whole tensor's. */
export function decode(q: QuantizedTensor, begin: number, end: number, shift: Float32Array | null, out: Weights): void {
  const { codes, codebook, blockSize, absmax, nested } = q;
  const first = begin / blockSize;
  kernels().dequantize(
    codes.subarray(begin / 2),
    levels(codebook, blockSize),
    end - begin,
    blockSize,
    absmax ? absmax.subarray(first) : nested!.absmax.subarray(first / 256),
    nested ? nested.codes.subarray(first) : null,
    nested?.map ?? null,
    nested?.offset ?? 0,
    shift?.subarray(first) ?? null,
    out,
  );
}

/** The array to write n elements to. */
export function output(n: number, { dtype, out }: DequantizeOptions): Weights {
  const type = dtype ?? (out instanceof Uint16Array ? "bf16" : "f32");
  if (type !== "f32" && type !== "bf16") throw new RangeError(`dtype must be "f32" or "bf16", got "${type}"`);
  const array = type === "f32" ? Float32Array : Uint16Array;
  if (out === undefined) return type === "f32" ? unfilled(Float32Array, n) : unfilled(Uint16Array, n);
  if (!(out instanceof array))
    throw new TypeError(`out must be a ${array.name} for dtype "${type}", got ${describe(out)}`);
  if (out.length < n) throw new RangeError(`out has ${out.length} elements, needs ${n}`);
  return out;
}

/**
 * Bytes that a quantised tensor takes: codes; 4 per plain scale or shift; of 8-bit ones 1 each, 4 per 256 and 4 for the
 * offset; 64 for a codebook of the caller's own. Tables that are the same for every tensor are not counted.
 */
export function bytes(q: QuantizedTensor | TiledWeights | DeviceQuantizedTensor): number {
  const codes = "layout" in q ? q.tiles : q.codes;
  if (isOnDevice<DeviceQuantizedTensor>(q)) checkDeviceTensor(q);
  else checkParts(q as QuantizedTensor | TiledWeights, codes as Uint8Array);
  let total = codes.length + (typeof q.codebook === "string" ? 0 : 64);
  for (const plain of [q.absmax, q.shift]) if (plain) total += 4 * plain.length;
  for (const nested of [q.nested, q.nestedShift])
    if (nested) total += nested.codes.length + 4 * nested.absmax.length + 4;
  return total;
}
