// A typed array on a device: what kernels take in place of a typed array of the host.
import { copy, memset } from "./copies.js";
import type { DeviceId } from "./devices.js";
import { type AllocOptions, alloc, type Memory, type MemoryRange } from "./memory.js";
import { wholeNumber } from "./native.js";

const hostTypes = { f32: Float32Array, bf16: Uint16Array, i32: Int32Array, u8: Uint8Array, i8: Int8Array } as const;

/** Type of the elements: bf16 is the upper half of an f32, a Uint16Array on the host. */
export type DType = keyof typeof hostTypes;

/** The typed array of the host that holds the same bytes. */
export type HostArray = Float32Array | Uint16Array | Int32Array | Uint8Array | Int8Array;

/**
 * `length` elements of a memory. Views (`subarray`) share the memory; whoever allocated frees it, and every view is then an
 * error to use. Kernels of every package take it where they take a Float32Array on the CPU.
 */
export class DeviceArray implements MemoryRange, Disposable {
  readonly device: DeviceId;

  /** Elements `offset / element size` … of a memory, `offset` in bytes. @throws {RangeError} when they are not within it */
  constructor(
    readonly memory: Memory,
    readonly dtype: DType,
    readonly length: number,
    readonly offset = 0,
  ) {
    wholeNumber("length", length);
    if (offset % this.elementBytes) throw new RangeError(`offset ${offset} is not a multiple of the size of ${dtype}`);
    memory.slice(offset, length * this.elementBytes);
    this.device = memory.device;
  }

  get elementBytes(): number {
    return hostTypes[this.dtype].BYTES_PER_ELEMENT;
  }

  get bytes(): number {
    return this.length * this.elementBytes;
  }

  /** The device's address of the first element. @throws {CudaHandleError} when the memory is freed */
  get pointer(): bigint {
    return this.memory.pointer + BigInt(this.offset);
  }

  /** Elements begin … end of it, sharing the memory; bounds as those of a typed array's subarray, but never negative. */
  subarray(begin: number, end: number = this.length): DeviceArray {
    const [from, to] = [Math.min(begin, this.length), Math.min(end, this.length)];
    return new DeviceArray(this.memory, this.dtype, Math.max(0, to - from), this.offset + from * this.elementBytes);
  }

  /** The same bytes as elements of another type. */
  as(dtype: DType): DeviceArray {
    return new DeviceArray(this.memory, dtype, this.bytes / hostTypes[dtype].BYTES_PER_ELEMENT, this.offset);
  }

  /** Copies a typed array, or another device array, of as many bytes to it; done when it returns. @throws {RangeError} for another size */
  set(source: HostArray | DeviceArray): void {
    if (this.length > 0) copy(this, source);
  }

  /** Sets every element to zero. */
  zero(): this {
    if (this.length > 0) memset(this, 0);
    return this;
  }

  /** A copy on the host, after all work queued on the default stream; bf16 as Uint16Array. */
  toHost(): HostArray {
    const out = new hostTypes[this.dtype](this.length);
    if (this.length > 0) copy(out, this);
    return out;
  }

  /** Frees the memory of the whole allocation. */
  free(): void {
    this.memory.free();
  }

  [Symbol.dispose](): void {
    this.memory[Symbol.dispose]();
  }
}

/** A new array on a device; contents undefined. `length` 0 is allowed. @throws {CudaOutOfMemoryError} */
export function allocArray(dtype: DType, length: number, options: AllocOptions = {}): DeviceArray {
  wholeNumber("length", length);
  const memory = alloc(Math.max(1, length * hostTypes[dtype].BYTES_PER_ELEMENT), options);
  return new DeviceArray(memory, dtype, length);
}

/** A copy of a typed array on a device: Float32Array becomes f32, Uint16Array bf16, the others their own type. */
export function toDevice(source: HostArray, options: AllocOptions = {}): DeviceArray {
  const dtype = (Object.keys(hostTypes) as DType[]).find((name) => source instanceof hostTypes[name]);
  if (!dtype) throw new TypeError(`a ${(source as object).constructor.name} has no counterpart on a device`);
  const array = allocArray(dtype, source.length, options);
  array.set(source);
  return array;
}
