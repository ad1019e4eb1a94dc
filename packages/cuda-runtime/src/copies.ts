// Copies between host and device, filling, and where managed memory should live.
import type { DeviceId } from "./devices.js";
import { notRecorded } from "./emulation.js";
import { Memory, type MemoryRange, rangeOf } from "./memory.js";
import { deviceIndex, native, wholeNumber } from "./native.js";
import type { Stream } from "./stream.js";

/** One end of a copy: a memory, a slice of one, or a typed array. */
export type CopyEnd = MemoryRange | ArrayBufferView;

const direction = { toDevice: 0, toHost: 1, onDevice: 2 } as const;
const piece = 1 << 30; // a Uint8Array has at most 2^32 elements: longer typed arrays are copied in pieces

/**
 * Copies all bytes of `source` to `target`, of the same size, and returns when done. At least one of them is device or
 * managed memory. Runs in the default stream: after what blocking streams have queued.
 * @throws {RangeError} when the sizes differ (a detached array has size 0)
 * @throws {TypeError} when neither end is on a device
 */
export function copy(target: CopyEnd, source: CopyEnd): void {
  const [to, from] = [range(target), range(source)];
  sameSize(target, source);
  if (!to && !from) throw new TypeError("copy needs device memory on one side at least");
  if (to && from) {
    transfer(to, from, undefined);
    return;
  }
  const { memory, pointer } = (to ?? from) as MemoryRange;
  const index = deviceIndex(memory.device);
  notRecorded("cuMemcpy", index);
  const view = (to ? source : target) as ArrayBufferView;
  for (let at = 0; at < view.byteLength; at += piece) {
    const bytes = Math.min(piece, view.byteLength - at);
    const part = new Uint8Array(view.buffer, view.byteOffset + at, bytes);
    if (to) native().upload(index, pointer + BigInt(at), bytes, part);
    else native().download(index, pointer + BigInt(at), bytes, part);
  }
}

/**
 * Queues the copy on the stream and returns at once; the stream keeps both memories until it is synchronised. The host's
 * end must be pinned memory (or a view of it): a plain typed array can be detached while the copy runs, and CUDA would
 * copy it synchronously anyway.
 * @throws {TypeError} for a typed array that is not a view of pinned or managed memory
 */
export function copyAsync(target: CopyEnd, source: CopyEnd, stream: Stream): void {
  const [to, from] = [range(target), range(source)];
  if (!to || !from)
    throw new TypeError(
      `${to ? "source" : "target"} of an asynchronous copy must be memory of allocPinned, not a plain typed array`,
    );
  sameSize(target, source);
  transfer(to, from, stream);
  stream.hold(to.memory);
  stream.hold(from.memory);
}

/** Sets every byte to `value` (0 to 255), at once or queued on the stream. */
export function memset(target: MemoryRange, value: number, stream?: Stream): void {
  wholeNumber("value", value);
  if (value > 255) throw new RangeError(`value must be 0 to 255, got ${value}`);
  const { memory, pointer, bytes } = target;
  notRecorded("cuMemsetD8", deviceIndex(memory.device));
  native().memset(deviceIndex(memory.device), pointer, value, bytes, stream !== undefined, stream?.handle ?? 0n);
  stream?.hold(memory);
}

/** Starts moving managed memory to a device or the host. Needs `concurrentManagedAccess`. */
export function prefetch(target: MemoryRange, to: DeviceId | "host", stream?: Stream): void {
  const { memory, pointer, bytes } = managed("prefetch", target);
  native().prefetch(deviceIndex(memory.device), pointer, bytes, place(to), stream?.handle ?? 0n);
  stream?.hold(memory);
}

export type Advice = "read-mostly" | "preferred-location" | "accessed-by";
const advices: Record<Advice, number> = { "read-mostly": 1, "preferred-location": 3, "accessed-by": 5 };

/** Tells the driver how managed memory will be used; `unset` takes the advice back. */
export function advise(
  target: MemoryRange,
  advice: Advice,
  { to = target.memory.device, unset = false }: { to?: DeviceId | "host"; unset?: boolean } = {},
): void {
  const number = advices[advice];
  if (number === undefined) throw new RangeError(`advice must be ${Object.keys(advices).join(", ")}, got "${advice}"`);
  const { memory, pointer, bytes } = managed("advise", target);
  native().advise(deviceIndex(memory.device), pointer, bytes, number + (unset ? 1 : 0), place(to));
}

function transfer(to: MemoryRange, from: MemoryRange, stream: Stream | undefined): void {
  const [target, origin] = [deviceIndex(to.memory.device), deviceIndex(from.memory.device)];
  notRecorded("cuMemcpy", target);
  const async = stream !== undefined;
  const handle = stream?.handle ?? 0n;
  const bytes = to.bytes;
  const [toHost, fromHost] = [pinned(to), pinned(from)];
  if (toHost !== undefined && fromHost !== undefined)
    throw new TypeError("copy needs device memory on one side at least");
  if (fromHost !== undefined) native().copy(target, direction.toDevice, to.pointer, fromHost, bytes, async, handle);
  else if (toHost !== undefined) native().copy(origin, direction.toHost, toHost, from.pointer, bytes, async, handle);
  else if (target === origin) native().copy(target, direction.onDevice, to.pointer, from.pointer, bytes, async, handle);
  else if (target < 0 || origin < 0) throw new TypeError("cannot copy between cuda-emu and a real device directly");
  else native().copyPeer(target, to.pointer, origin, from.pointer, bytes, async, handle);
}

// The host's address of a range of pinned memory; undefined for memory that the device owns.
function pinned({ memory, offset }: MemoryRange): bigint | undefined {
  return memory.memoryKind === "pinned" ? memory.hostPointer! + BigInt(offset) : undefined;
}

function range(end: CopyEnd): MemoryRange | undefined {
  if (ArrayBuffer.isView(end)) return rangeOf(end);
  if (end?.memory instanceof Memory) return end;
  throw new TypeError("a copy goes between memory (alloc, allocPinned, allocManaged), slices of it, and typed arrays");
}

function sameSize(target: CopyEnd, source: CopyEnd): void {
  const size = (end: CopyEnd) => (ArrayBuffer.isView(end) ? end.byteLength : end.bytes);
  if (size(target) !== size(source))
    throw new RangeError(`target has ${size(target)} bytes, source has ${size(source)}`);
}

function managed(what: string, target: MemoryRange): MemoryRange {
  if (target.memory.memoryKind !== "managed")
    throw new TypeError(`${what} is for managed memory, got ${target.memory.describe()}`);
  return target;
}

// A location for the driver: a device index, -1 for the host. cuda-emu is the host.
function place(to: DeviceId | "host"): number {
  return to === "host" ? -1 : deviceIndex(to);
}
