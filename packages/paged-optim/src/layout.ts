// Where each piece of state lies in the pages of a store.
//
// A parameter is cut into segments (its whole length where pages are unlimited), each in one page, at multiples of 256
// elements. A segment holds its states one after another, each 64-byte aligned: f32 [n]; or codes u8 [n] for each state, then
// absmax f32 [ceil(n / 256)] for each; then the f32 master weights [n] of a bf16 parameter.
import type { DeviceArray } from "@qlora/cuda-runtime";
import { onDevice } from "./cuda.js";
import type { StateMemory, StateStore } from "./store.js";

export const block = 256;
/** Parameters with fewer elements keep 32-bit states (as bitsandbytes). */
export const min8bit = 4096;

/** One array of a segment. */
export type StateArray = Float32Array | Uint8Array | DeviceArray;

/** How the state of one parameter is kept. */
export interface Format {
  states: readonly { name: string; signed: boolean }[];
  bits: 32 | 8;
  master: boolean;
}

export interface Slot {
  /** "m", "m.absmax", "master": the end of the array's name in a state dictionary. */
  key: string;
  dtype: "F32" | "U8";
  /** Elements of the parameter behind one of this array's: 1 or 256. */
  per: 1 | 256;
}

export interface Segment {
  parameter: number;
  from: number;
  to: number;
  page: number;
  /** In the page, in bytes. */
  offset: number;
}

export function slots({ states, bits, master }: Format): Slot[] {
  const result: Slot[] = states.map(({ name }) => ({ key: name, dtype: bits === 8 ? "U8" : "F32", per: 1 }));
  if (bits === 8) result.push(...states.map(({ name }): Slot => ({ key: `${name}.absmax`, dtype: "F32", per: 256 })));
  if (master) result.push({ key: "master", dtype: "F32", per: 1 });
  return result;
}

/** Elements of a slot for n elements of the parameter. */
export const slotLength = (slot: Slot, n: number) => (slot.per === 1 ? n : Math.ceil(n / block));

const slotBytes = (slot: Slot, n: number) => Math.ceil((slotLength(slot, n) * (slot.dtype === "U8" ? 1 : 4)) / 64) * 64;

/** Bytes of the state of n elements. */
export function segmentBytes(format: Format, n: number): number {
  return slots(format).reduce((sum, slot) => sum + slotBytes(slot, n), 0);
}

/** The arrays of a segment of n elements at `offset` of a page, in the order of `slots`. */
export function views(format: Format, n: number, memory: StateMemory, offset: number): StateArray[] {
  let at = offset;
  return slots(format).map((slot) => {
    const view = viewOf(memory, slot.dtype, at, slotLength(slot, n));
    at += slotBytes(slot, n);
    return view;
  });
}

function viewOf(memory: StateMemory, dtype: Slot["dtype"], at: number, length: number): StateArray {
  if (onDevice(memory))
    return dtype === "U8" ? memory.subarray(at, at + length) : memory.subarray(at, at + 4 * length).as("f32");
  const start = memory.byteOffset + at;
  return dtype === "U8" ? new Uint8Array(memory.buffer, start, length) : new Float32Array(memory.buffer, start, length);
}

/** Cuts parameters of the given formats and lengths into segments; `pages` are the bytes of each page. */
export function layout(
  parameters: readonly { format: Format; length: number }[],
  { pageBytes }: Pick<StateStore, "pageBytes">,
): { segments: Segment[]; pages: number[] } {
  const segments: Segment[] = [];
  const pages: number[] = [];
  let used = Number.POSITIVE_INFINITY; // of the last page
  parameters.forEach(({ format, length }, parameter) => {
    for (let from = 0; from < length; ) {
      let n = fitting(format, length - from, pageBytes - used);
      // Start another page rather than leave a sliver in this one.
      if (pageBytes === Number.POSITIVE_INFINITY || n < Math.min(min8bit, length - from)) {
        pages.push(0);
        used = 0;
        n = fitting(format, length - from, pageBytes);
        if (n === 0)
          throw new RangeError(
            `pages of ${pageBytes} bytes cannot hold one block of state (${segmentBytes(format, block)} bytes)`,
          );
      }
      segments.push({ parameter, from, to: from + n, page: pages.length - 1, offset: used });
      used += segmentBytes(format, n);
      pages[pages.length - 1] = used;
      from += n;
    }
  });
  return { segments, pages };
}

/** The most elements, all that are left or a multiple of 256, whose state fits `bytes`. */
function fitting(format: Format, left: number, bytes: number): number {
  if (!(bytes > 0)) return 0;
  if (segmentBytes(format, left) <= bytes) return left;
  let n = Math.floor(bytes / segmentBytes(format, block * 64)) * 64 * block + 64 * block;
  while (n > 0 && (n >= left || segmentBytes(format, n) > bytes)) n -= block;
  return n;
}
