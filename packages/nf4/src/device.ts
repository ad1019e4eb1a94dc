// Quantised tensors on a device. Arrays are those of @qlora/cuda-runtime, of which only what is used here is described, so that
// this package needs no other.
import { levels } from "./codebooks.js";
import { blocks, checkBlockSize, describe, elements } from "./shape.js";
import type { Codebook, NestedScales, QuantizedTensor } from "./types.js";

type DType = "f32" | "bf16" | "i32" | "u8" | "i8";
type HostArray = Float32Array | Uint16Array | Int32Array | Uint8Array | Int8Array;

/** What is used of a DeviceArray of @qlora/cuda-runtime. */
export interface DeviceArray {
  readonly device: number | "cuda-emu";
  readonly dtype: DType;
  /** In elements. */
  readonly length: number;
  /** The device's address of the first element. */
  readonly pointer: bigint;
  subarray(begin: number, end?: number): DeviceArray;
  set(source: HostArray): void;
  toHost(): HostArray;
  free(): void;
}

/** Makes arrays on a device: `(dtype, length) => allocArray(dtype, length, { device })` with @qlora/cuda-runtime's. */
export type Alloc = (dtype: DType, length: number) => DeviceArray;

/** `NestedScales` with their arrays on a device. */
export interface DeviceNestedScales extends Omit<NestedScales, "codes" | "absmax" | "map"> {
  codes: DeviceArray;
  absmax: DeviceArray;
  map: DeviceArray;
}

/** A `QuantizedTensor` whose arrays are on a device: the same fields, the same bytes. */
export interface DeviceQuantizedTensor {
  device: number | "cuda-emu";
  codes: DeviceArray;
  shape: number[];
  codebook: Codebook;
  blockSize: number;
  absmax: DeviceArray | undefined;
  nested: DeviceNestedScales | undefined;
  shift?: DeviceArray | undefined;
  nestedShift?: DeviceNestedScales | undefined;
}

/** Copies a tensor to a device; whoever allocated frees its arrays (`freeTensor`). */
export function toDevice(q: QuantizedTensor, alloc: Alloc): DeviceQuantizedTensor {
  const upload = (dtype: DType, source: HostArray): DeviceArray => {
    const array = alloc(dtype, source.length);
    array.set(source);
    return array;
  };
  const nested = (scales: NestedScales): DeviceNestedScales => ({
    ...scales,
    codes: upload("u8", scales.codes),
    absmax: upload("f32", scales.absmax),
    map: upload("f32", scales.map),
  });
  const codes = upload("u8", q.codes);
  return {
    device: codes.device,
    codes,
    shape: [...q.shape],
    codebook: q.codebook,
    blockSize: q.blockSize,
    absmax: q.absmax && upload("f32", q.absmax),
    nested: q.nested && nested(q.nested),
    ...(q.shift && { shift: upload("f32", q.shift) }),
    ...(q.nestedShift && { nestedShift: nested(q.nestedShift) }),
  };
}

/** A copy on the host. */
export function toHost(q: DeviceQuantizedTensor): QuantizedTensor {
  const nested = (scales: DeviceNestedScales): NestedScales => ({
    ...scales,
    codes: scales.codes.toHost() as Uint8Array,
    absmax: scales.absmax.toHost() as Float32Array,
    map: scales.map.toHost() as Float32Array,
  });
  return {
    codes: q.codes.toHost() as Uint8Array,
    shape: [...q.shape],
    codebook: q.codebook,
    blockSize: q.blockSize,
    absmax: q.absmax?.toHost() as Float32Array | undefined,
    nested: q.nested && nested(q.nested),
    ...(q.shift && { shift: q.shift.toHost() as Float32Array }),
    ...(q.nestedShift && { nestedShift: nested(q.nestedShift) }),
  };
}

/** Frees the arrays of a tensor on a device. */
export function freeTensor(q: DeviceQuantizedTensor): void {
  for (const array of [q.codes, q.absmax, q.shift]) array?.free();
  for (const scales of [q.nested, q.nestedShift])
    for (const array of scales ? [scales.codes, scales.absmax, scales.map] : []) array.free();
}

/** Whether a tensor, or an array, is on a device. */
export function isOnDevice<T extends { device: unknown }>(value: T | object): value is T {
  return typeof value === "object" && value !== null && "device" in value;
}

/** Checks that the parts of a tensor fit together, as far as the kernels do not; returns its number of elements. */
export function checkDeviceTensor(q: DeviceQuantizedTensor): number {
  const n = elements(q.shape, "q.shape");
  checkBlockSize(q.blockSize, "q.blockSize");
  if ((q.absmax === undefined) === (q.nested === undefined))
    throw new TypeError("q must have exactly one of absmax and nested");
  if (q.shift !== undefined && q.nestedShift !== undefined)
    throw new TypeError("q must have at most one of shift and nestedShift");
  checkArray(q.codes, q.device, "u8", "q.codes", Math.ceil(n / 2));
  const count = blocks(n, q.blockSize);
  if (q.absmax) checkArray(q.absmax, q.device, "f32", "q.absmax", count);
  if (q.nested) checkArray(q.nested.codes, q.device, "u8", "q.nested.codes", count);
  return n;
}

/** @throws {TypeError|RangeError} unless `value` is an array on that device, of one of the types and at least this length */
export function checkArray(
  value: DeviceArray,
  device: DeviceArray["device"],
  dtype: DType | readonly DType[],
  name: string,
  length: number,
): void {
  const types = ([] as DType[]).concat(dtype);
  if (typeof value !== "object" || value === null || !("device" in value) || !types.includes(value.dtype))
    throw new TypeError(
      `${name} must be a device array of ${types.join(" or ")}, got ${(value as DeviceArray)?.dtype ?? describe(value)}`,
    );
  if (value.device !== device) throw new RangeError(`${name} is on device ${value.device}, not on ${device}`);
  if (value.length < length) throw new RangeError(`${name} has ${value.length} elements, needs ${length}`);
}

/** The tensor as the kernels take it: blockSize, codes, levels, four of scale, four of shift. */
export function kernelArguments(q: DeviceQuantizedTensor) {
  const values = (plain: DeviceArray | undefined, nested: DeviceNestedScales | undefined) =>
    nested
      ? ([nested.codes, nested.map, nested.absmax, nested.offset] as const)
      : ([null, null, plain ?? null, 0] as const);
  return [
    q.blockSize,
    q.codes,
    levels(q.codebook, q.blockSize),
    ...values(q.absmax, q.nested),
    ...values(q.shift, q.nestedShift),
  ] as const;
}
