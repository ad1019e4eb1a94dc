// Memory on a device, pinned on the host, and managed: handles with free() and [Symbol.dispose].
import { constants } from "node:buffer";
import { freemem } from "node:os";
import type { DeviceId } from "./devices.js";
import { notRecorded } from "./emulation.js";
import { CudaError, CudaOutOfMemoryError } from "./errors.js";
import { Handle } from "./handle.js";
import { deviceIndex, native, wholeNumber } from "./native.js";

export type MemoryKind = "device" | "pinned" | "managed";
const kinds: MemoryKind[] = ["device", "pinned", "managed"];

/** Bytes [offset, offset + bytes) of a memory. */
export interface MemoryRange {
  readonly memory: Memory;
  readonly offset: number;
  readonly bytes: number;
  /** The device's address of the first byte. */
  readonly pointer: bigint;
}

type ViewConstructor<T> = { new (buffer: ArrayBuffer, offset: number, length: number): T; BYTES_PER_ELEMENT: number };

// A view of pinned memory keeps the handle alive.
const owners = new WeakMap<ArrayBuffer, Memory>();

export class Memory extends Handle implements MemoryRange {
  readonly memoryKind: MemoryKind;
  readonly bytes: number;
  readonly offset = 0;
  readonly #pointer: bigint;
  readonly #host: bigint | undefined;
  readonly #window: { buffer?: ArrayBuffer };
  readonly #users = new Set<{ synchronize(): void }>();

  /** Made by alloc, allocPinned and allocManaged. */
  constructor(memoryKind: MemoryKind, device: DeviceId, bytes: number, label: string | undefined) {
    const kind = kinds.indexOf(memoryKind);
    const index = deviceIndex(device);
    notRecorded("cuMemAlloc", index);
    const { pointer, host } = native().allocate(index, kind, bytes);
    const window: { buffer?: ArrayBuffer } = {};
    super(`${memoryKind} memory`, device, bytes, label, (collected) => {
      if (collected) native().synchronize(index);
      if (window.buffer) native().detach(window.buffer);
      native().release(index, kind, memoryKind === "pinned" ? host! : pointer, bytes);
    });
    this.memoryKind = memoryKind;
    this.bytes = bytes;
    this.#pointer = pointer;
    this.#host = host;
    this.#window = window;
  }

  get memory(): Memory {
    return this;
  }

  /** The device's address, for kernels. @throws {CudaHandleError} USE_AFTER_FREE */
  get pointer(): bigint {
    this.alive();
    return this.#pointer;
  }

  /** The host's address of pinned or managed memory; undefined for device memory. */
  get hostPointer(): bigint | undefined {
    this.alive();
    return this.#host;
  }

  /** A part of it, to copy or fill. @throws {RangeError} when it is not within the memory. */
  slice(offset: number, bytes: number = this.bytes - offset): MemoryRange {
    const memory = this;
    wholeNumber("offset", offset);
    wholeNumber("bytes", bytes);
    if (offset + bytes > this.bytes)
      throw new RangeError(
        `bytes ${offset} to ${offset + bytes} are not within ${this.describe()} of ${this.bytes} bytes`,
      );
    return {
      memory,
      offset,
      bytes,
      get pointer() {
        return memory.pointer + BigInt(offset);
      },
    };
  }

  /**
   * Pinned or managed memory as a typed array that shares it; `offset` in bytes, `length` in elements. free() empties the view.
   * Managed memory may be touched by the host only while the device does not use it, unless `concurrentManagedAccess`.
   * @throws {TypeError} for device memory
   * @throws {RangeError} when the part is not within the memory, or the memory is larger than an ArrayBuffer can be
   */
  view<T>(
    type: ViewConstructor<T>,
    offset = 0,
    length = Math.floor((this.bytes - offset) / type.BYTES_PER_ELEMENT),
  ): T {
    this.alive();
    if (this.#host === undefined) throw new TypeError(`${this.describe()} is not visible to the host: copy() it`);
    if (this.bytes > constants.MAX_LENGTH)
      throw new RangeError(
        `${this.bytes} bytes cannot be viewed at once (at most ${constants.MAX_LENGTH}): copy() parts of it`,
      );
    // A buffer that was transferred elsewhere is empty now: make another.
    if (this.#window.buffer?.byteLength !== this.bytes) {
      this.#window.buffer = native().hostBuffer(this.#host, this.bytes);
      owners.set(this.#window.buffer, this);
    }
    return new type(this.#window.buffer, offset, length);
  }

  /** Keeps the memory until `user` has been synchronised: free() does that first. Streams call it for their copies. */
  usedBy(user: { synchronize(): void }): void {
    this.alive();
    this.#users.add(user);
  }
  unusedBy(user: { synchronize(): void }): void {
    this.#users.delete(user);
  }
  protected override beforeFree(): void {
    for (const user of [...this.#users]) user.synchronize();
  }
}

/** The memory whose pinned or managed bytes a typed array shows, as a range; undefined for any other array. */
export function rangeOf(view: ArrayBufferView): MemoryRange | undefined {
  return owners.get(view.buffer as ArrayBuffer)?.slice(view.byteOffset, view.byteLength);
}

export interface AllocOptions {
  /** Default 0. */
  device?: DeviceId;
  /** Names it in error messages and in leaks(). */
  label?: string;
}

/**
 * Memory on the device, aligned to 256 bytes, contents undefined.
 * @throws {CudaOutOfMemoryError}
 * @throws {CudaUnavailableError} when there is no CUDA (see devices())
 */
export function alloc(bytes: number, { device = 0, label }: AllocOptions = {}): Memory {
  return allocate("device", bytes, device, label, "cuMemAlloc");
}

/**
 * Page-locked host memory: copies from and to it can be asynchronous, and kernels can read and write it in place.
 * @throws {CudaOutOfMemoryError} when the host cannot lock that much
 */
export function allocPinned(bytes: number, { device = 0, label }: AllocOptions = {}): Memory {
  return allocate("pinned", bytes, device, label, "cuMemHostAlloc");
}

export interface ManagedOptions extends AllocOptions {
  /** Bytes of the device's free memory to leave alone. Default 0. */
  reserve?: number;
}

/**
 * Managed (unified) memory, which pages between host and device. Never more than is free: asked + all managed memory of
 * this process + `reserve` must fit in the device's free memory, since oversubscribing can hang the device. Managed
 * memory that is already resident on the device counts twice here, on the safe side.
 * @throws {CudaOutOfMemoryError} when it would not fit; the driver is then not asked
 */
export function allocManaged(bytes: number, { device = 0, label, reserve = 0 }: ManagedOptions = {}): Memory {
  wholeNumber("bytes", bytes);
  wholeNumber("reserve", reserve);
  const { free } = memInfo(device);
  const { managed } = memoryStats(device);
  if (bytes + managed + reserve > free)
    throw new CudaOutOfMemoryError(
      `allocManaged: ${bytes} bytes asked, ${managed} managed already, ${reserve} in reserve, ${free} free on device ${device}`,
      { call: "cuMemAllocManaged", asked: bytes, free, device },
    );
  return allocate("managed", bytes, device, label, "cuMemAllocManaged");
}

function allocate(kind: MemoryKind, bytes: number, device: DeviceId, label: string | undefined, call: string): Memory {
  wholeNumber("bytes", bytes);
  if (bytes === 0) throw new RangeError("bytes must be at least 1, got 0");
  try {
    return new Memory(kind, device, bytes, label);
  } catch (error) {
    if (!(error instanceof CudaError) || error.code !== 2) throw error;
    const free = kind === "pinned" ? freemem() : memInfo(device).free;
    const where = kind === "pinned" ? "on the host" : `on device ${device}`;
    throw new CudaOutOfMemoryError(
      `${call}: ${bytes} bytes asked${label ? ` for ${label}` : ""}, ${free} free ${where}`,
      {
        call,
        asked: bytes,
        free,
        device,
      },
    );
  }
}

/** The device's memory in bytes, as the driver sees it: other processes count. */
export function memInfo(device: DeviceId = 0): { free: number; total: number } {
  return native().memInfo(deviceIndex(device));
}

export interface MemoryStats {
  /** Bytes of device and managed memory held through this package by this process, all its threads. */
  allocated: number;
  /** The most that `allocated` has been since the start or resetPeakMemory(). */
  peak: number;
  managed: number;
  pinned: number;
}

export function memoryStats(device: DeviceId = 0): MemoryStats {
  return native().memoryStats(deviceIndex(device));
}

export function resetPeakMemory(device: DeviceId = 0): void {
  native().resetPeak(deviceIndex(device));
}
