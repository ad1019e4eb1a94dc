// Operations on a device against the CPU's public functions of the same names, on the same bf16-rounded inputs.
import { allocArray, type DeviceArray, type DeviceId, type HostArray } from "@qlora/cuda-runtime";
import { expect } from "vitest";
import * as kernels from "../../src/index.js";
import { expectClose } from "../compare.js";
import type { Arrays, Operation, Options } from "../operations.js";

/** Values of 8 bits: a rounding is half a unit, 2^-9 of the value; another half for what is rounded on the way. */
export const BF16 = 2 ** -8;

/** A GPU's __expf is good to 2 + ⌊1.16 · |x|⌋ ulp of 2^-24 (CUDA C++ Programming Guide); |x| is at most 40 here. */
export const DEVICE_EXP = 4e-6;

export type Type = "f32" | "bf16";

/** What stays float32 beside activations in bf16. */
const wide = new Set(["weight", "invRms", "dweight", "cos", "sin", "lse", "losses"]);

const GUARD = 7;

export function rounded(x: Float32Array): Uint16Array {
  const y = new Uint16Array(x.length);
  kernels.toBf16(x, y, { n: x.length });
  return y;
}

export function widened(x: Uint16Array): Float32Array {
  const y = new Float32Array(x.length);
  kernels.fromBf16(x, y, { n: x.length });
  return y;
}

/** Rounds to bf16, in place, what is bf16 on the device. */
export function roundArrays(arrays: Arrays, type: Type): void {
  for (const [name, x] of Object.entries(arrays))
    if (type === "bf16" && x instanceof Float32Array && !wide.has(name)) x.set(widened(rounded(x)));
}

/** An array on a device between `before` and 5 guards. */
class Guarded implements Disposable {
  readonly array: DeviceArray;
  readonly #whole: DeviceArray;
  readonly #narrow: boolean;

  constructor(host: HostArray, device: DeviceId, type: Type, before: number) {
    this.#narrow = type === "bf16" && host instanceof Float32Array;
    const bytes = this.#narrow ? rounded(host as Float32Array) : host;
    const dtype = bytes instanceof Float32Array ? "f32" : bytes instanceof Uint16Array ? "bf16" : "i32";
    this.#whole = allocArray(dtype, before + bytes.length + 5, { device });
    const all = new (bytes.constructor as Float32ArrayConstructor)(this.#whole.length).fill(GUARD);
    all.set(bytes as Float32Array, before);
    this.#whole.set(all);
    this.array = this.#whole.subarray(before, before + bytes.length);
  }

  /** The array on the host, once its guards have been looked at. */
  read(): Float32Array {
    const all = this.#whole.toHost();
    const before = (this.array.offset / this.array.elementBytes) | 0;
    expect([...all.subarray(0, before), ...all.subarray(before + this.array.length)]).toEqual(
      new Array(before + 5).fill(GUARD),
    );
    const values = all.subarray(before, before + this.array.length);
    return this.#narrow ? widened(values as Uint16Array) : (values as Float32Array);
  }

  [Symbol.dispose](): void {
    this.#whole.free();
  }
}

/** Runs an operation on a device; returns its arrays as they are then. They begin `before` elements behind a boundary there. */
export function runOnDevice(
  operation: Operation,
  arrays: Arrays,
  options: Options,
  device: DeviceId,
  { type, before }: { type: Type; before: number },
): Record<string, Float32Array> {
  const on: Record<string, Guarded> = {};
  try {
    for (const [name, x] of Object.entries(arrays)) {
      const aligned = operation.exact !== undefined && !operation.exact.includes(name);
      on[name] = new Guarded(x as HostArray, device, wide.has(name) ? "f32" : type, aligned ? 8 : before);
    }
    const there = Object.fromEntries(Object.entries(on).map(([name, { array }]) => [name, array]));
    expect(operation.call(kernels, there, options)).toBe(undefined);
    return Object.fromEntries(Object.entries(on).map(([name, array]) => [name, array.read()]));
  } finally {
    for (const array of Object.values(on)) array[Symbol.dispose]();
  }
}

/** Runs an operation on a device and on the CPU, and compares every array. */
export function compareOnDevice(
  operation: Operation,
  options: Options,
  device: DeviceId,
  { type, before, tolerance }: { type: Type; before: number; tolerance: number },
): void {
  const arrays = operation.arrays(options);
  roundArrays(arrays, type);
  const results = runOnDevice(operation, arrays, options, device, { type, before });
  operation.call(kernels, arrays, options);
  for (const [name, expected] of Object.entries(arrays)) {
    const actual = results[name]!;
    const what = `${name} (${JSON.stringify(options, (_, x) => (typeof x === "bigint" ? `${x}` : x))})`;
    if (operation.outputs.includes(name))
      expectClose(actual, expected, wide.has(name) ? Math.min(tolerance, 1e-5) : tolerance, {
        what,
        terms: operation.terms ?? 0,
      });
    else expect(actual, `${name} is an input`).toEqual(expected);
  }
}

/**
 * The public functions for arrays of the host, run on a device: each array is copied there and back, floats of attention
 * rounded to bf16.
 */
export function onDevice(device: DeviceId): typeof kernels {
  const functions = { ...kernels } as unknown as Record<string, (...args: unknown[]) => void>;
  const run =
    (name: string) =>
    (...args: unknown[]) => {
      const lse = { attention: args[4], attentionBackward: args[5] }[name];
      const there = new Map<unknown, Guarded>();
      const send = (x: unknown): unknown => {
        if (x !== null && typeof x === "object" && !ArrayBuffer.isView(x))
          return Object.fromEntries(Object.entries(x).map(([key, value]) => [key, send(value)]));
        if (!ArrayBuffer.isView(x)) return x;
        const type = lse !== undefined && x !== lse ? "bf16" : "f32";
        if (!there.has(x)) there.set(x, new Guarded(x as HostArray, device, type, 8));
        return there.get(x)!.array;
      };
      try {
        functions[name]!(...args.map(send));
        for (const [x, array] of there) (x as Float32Array).set(array.read());
      } finally {
        for (const array of there.values()) array[Symbol.dispose]();
      }
    };
  return new Proxy(kernels, { get: (_, name) => run(name as string) });
}
