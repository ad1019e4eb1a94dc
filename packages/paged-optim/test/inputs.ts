// Numbers the tests share.
import type { Parameter } from "../src/index.js";

/** The same as `noise` in conformance/optim_golden.py: n numbers in [-0.5, 0.5), exact in f32. */
export function noise(stream: number, n: number): Float32Array {
  return Float32Array.from({ length: n }, (_, i) => {
    let v = (Math.imul(i, 2654435761) + Math.imul(stream, 2246822519) + 374761393) >>> 0;
    v = Math.imul(v ^ (v >>> 15), 2246822519) >>> 0;
    return (v >>> 8) / 2 ** 24 - 0.5;
  });
}

/** Standard normal numbers, the same for the same stream. */
export function normal(stream: number, n: number): Float32Array {
  const a = noise(2 * stream, n);
  const b = noise(2 * stream + 1, n);
  return a.map((u, i) => Math.sqrt(-2 * Math.log(u + 0.5 + 2 ** -25)) * Math.cos(2 * Math.PI * b[i]!));
}

type Host<Data> = Parameter & { data: Data; grad: Float32Array };

export function parameter(name: string, n: number, stream = n): Host<Float32Array> {
  return { name, data: noise(stream, n), grad: new Float32Array(n) };
}

/** bf16 weights: the upper halves of the same numbers. */
export function half(name: string, n: number, stream = n): Host<Uint16Array> {
  const bits = new Uint32Array(noise(stream, n).buffer);
  return { name, data: Uint16Array.from(bits, (b) => b >>> 16), grad: new Float32Array(n) };
}

/** Fills gradients for a step: the same for the same names' order, lengths and step. */
export function setGradients(parameters: readonly Parameter[], step: number): void {
  for (const [i, { grad }] of parameters.entries()) grad.set(normal(1000 * step + i, grad.length).map((x) => 0.01 * x));
}

export function maxAbs(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let most = 0;
  for (let i = 0; i < a.length; ++i) most = Math.max(most, Math.abs(a[i]! - b[i]!));
  return most;
}

/** Whether two structures of typed arrays have the same bits; quicker than `toEqual` for long ones. */
export function sameBits(a: unknown, b: unknown): boolean {
  if (ArrayBuffer.isView(a) && ArrayBuffer.isView(b))
    return (
      a.constructor === b.constructor &&
      Buffer.from(a.buffer, a.byteOffset, a.byteLength).equals(Buffer.from(b.buffer, b.byteOffset, b.byteLength))
    );
  if (a instanceof Map && b instanceof Map) return sameBits([...a], [...b]);
  if (typeof a === "object" && typeof b === "object" && a && b) {
    const [x, y] = [Object.entries(a), Object.entries(b)];
    return x.length === y.length && x.every(([key, value], i) => key === y[i]![0] && sameBits(value, y[i]![1]));
  }
  return Object.is(a, b);
}
