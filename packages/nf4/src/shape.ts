// Sizes that follow from a tensor's shape, and the checks of what a caller hands in.
import type { QuantizedTensor } from "./types.js";

/** Elements of a tensor of this shape. @throws {TypeError|RangeError} unless every extent is a whole number ≥ 0. */
export function elements(shape: readonly number[], name = "shape"): number {
  if (!Array.isArray(shape)) throw new TypeError(`${name} must be an array of numbers`);
  let n = 1;
  for (const [i, extent] of shape.entries()) {
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
  const n = elements(q.shape, "q.shape");
  checkBlockSize(q.blockSize, "q.blockSize");
  const count = blocks(n, q.blockSize);
  array(q.codes, Uint8Array, "q.codes", Math.ceil(n / 2));
  if ((q.absmax === undefined) === (q.nested === undefined))
    throw new TypeError("q must have exactly one of absmax and nested");
  if (q.shift !== undefined && q.nestedShift !== undefined)
    throw new TypeError("q must have at most one of shift and nestedShift");
  for (const name of ["absmax", "shift"] as const) {
    const values = q[name];
    if (values !== undefined) array(values, Float32Array, `q.${name}`, count);
  }
  for (const name of ["nested", "nestedShift"] as const) {
    const values = q[name];
    if (values === undefined) continue;
    if (typeof values !== "object" || values === null) throw new TypeError(`q.${name} must be an object`);
    if (values.blockSize !== 256) throw new RangeError(`q.${name}.blockSize must be 256, got ${values.blockSize}`);
    array(values.codes, Uint8Array, `q.${name}.codes`, count);
    array(values.absmax, Float32Array, `q.${name}.absmax`, Math.ceil(count / 256));
    array(values.map, Float32Array, `q.${name}.map`, 256);
    if (typeof values.offset !== "number") throw new TypeError(`q.${name}.offset must be a number`);
  }
  return n;
}

type Constructor<T> = { new (n: number): T; name: string };

/** @throws {TypeError|RangeError} unless `value` is a typed array of this type and exactly this length. */
export function array<T extends { length: number }>(
  value: unknown,
  type: Constructor<T>,
  name: string,
  length: number,
): T {
  if (!(value instanceof type)) throw new TypeError(`${name} must be a ${type.name}, got ${describe(value)}`);
  if (value.length !== length) throw new RangeError(`${name} has ${value.length} elements, needs ${length}`);
  return value;
}

/** What a wrong argument is, in a word. */
export function describe(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  return typeof value === "object" ? (value.constructor?.name ?? "object") : typeof value;
}
