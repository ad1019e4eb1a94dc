// Sizes that follow from a tensor's shape, and the checks of what a caller hands in.
import type { NestedScales, QuantizedTensor } from "./types.js";

/** Elements of a tensor of this shape. @throws {TypeError|RangeError} unless every extent is a whole number ≥ 0. */
export function elements(shape: readonly number[], name = "shape"): number {
  if (!Array.isArray(shape)) throw new TypeError(`${name} must be an array of numbers`);
  let n = 1;
  for (let i = 0; i < shape.length; i++) {
    const extent = shape[i]!;
    if (typeof extent !== "number") throw new TypeError(`${name}[${i}] must be a number, got ${typeof extent}`);
    if (!Number.isSafeInteger(extent) || extent < 0)
      throw new RangeError(`${name}[${i}] must be a whole number ≥ 0, got ${extent}`);
    n *= extent;
    if (!Number.isSafeInteger(n)) throw new RangeError(`${name} [${shape.join(", ")}] is too large`);
  }
  return n;
}

/** Blocks of a tensor of n elements; the last may be shorter. */
export function blocks(n: number, blockSize: number): number {
  return Math.ceil(n / blockSize);
}

/** @throws {TypeError|RangeError} unless blockSize is a power of two from 32 to 4096. */
export function checkBlockSize(blockSize: number, name = "blockSize"): number {
  if (typeof blockSize !== "number") throw new TypeError(`${name} must be a number, got ${typeof blockSize}`);
  if (!(blockSize >= 32 && blockSize <= 4096 && Number.isInteger(Math.log2(blockSize))))
    throw new RangeError(`${name} must be a power of two from 32 to 4096, got ${blockSize}`);
  return blockSize;
}

/** Checks that the parts of a quantised tensor fit together; returns its number of elements. */
export function checkTensor(q: QuantizedTensor): number {
  if (typeof q !== "object" || q === null) throw new TypeError("q must be a quantised tensor");
  return checkParts(q, q.codes);
}

/** The same of a tensor with these codes. Every product comes through here, so names are put together only for messages. */
export function checkParts(q: Omit<QuantizedTensor, "codes">, codes: Uint8Array): number {
  const n = elements(q.shape, "q.shape");
  checkBlockSize(q.blockSize, "q.blockSize");
  const count = blocks(n, q.blockSize);
  array(codes, Uint8Array, "q.codes", Math.ceil(n / 2));
  if ((q.absmax === undefined) === (q.nested === undefined))
    throw new TypeError("q must have exactly one of absmax and nested");
  if (q.shift !== undefined && q.nestedShift !== undefined)
    throw new TypeError("q must have at most one of shift and nestedShift");
  if (q.absmax !== undefined) array(q.absmax, Float32Array, "q.absmax", count);
  if (q.shift !== undefined) array(q.shift, Float32Array, "q.shift", count);
  if (q.nested !== undefined) checkNested(q.nested, "q.nested", count);
  if (q.nestedShift !== undefined) checkNested(q.nestedShift, "q.nestedShift", count);
  return n;
}

export function checkNested(values: NestedScales, name: string, count: number): void {
  if (typeof values !== "object" || values === null) throw new TypeError(`${name} must be an object`);
  if (values.blockSize !== 256) throw new RangeError(`${name}.blockSize must be 256, got ${values.blockSize}`);
  array(values.codes, Uint8Array, name, count, ".codes");
  array(values.absmax, Float32Array, name, Math.ceil(count / 256), ".absmax");
  array(values.map, Float32Array, name, 256, ".map");
  if (typeof values.offset !== "number") throw new TypeError(`${name}.offset must be a number`);
}

type Constructor<T> = { new (n: number): T; name: string };

/** @throws {TypeError|RangeError} unless `value` is a typed array of this type and exactly this length. */
export function array<T extends { length: number }>(
  value: unknown,
  type: Constructor<T>,
  name: string,
  length: number,
  field = "",
): T {
  if (!(value instanceof type)) throw new TypeError(`${name}${field} must be a ${type.name}, got ${describe(value)}`);
  if (value.length !== length) throw new RangeError(`${name}${field} has ${value.length} elements, needs ${length}`);
  return value;
}

/** What a wrong argument is, in a word. */
export function describe(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  return typeof value === "object" ? (value.constructor?.name ?? "object") : typeof value;
}
