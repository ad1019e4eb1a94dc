// Where optimiser state lives: pages of bytes, used one at a time and in order. In memory here; in a file in paged.ts; on a
// device in device-state.ts.
import type { DeviceArray, DeviceId } from "@qlora/cuda-runtime";

/** What a page is to the kernels that use it: bytes of the host, or on a device. */
export type StateMemory = Uint8Array | DeviceArray;

/** A place for optimiser state. */
export interface StateStore<Memory extends StateMemory = StateMemory> {
  /** Of the parameters that it serves; undefined for the host. */
  readonly device?: DeviceId;
  /** The most bytes a page can have; Infinity when a page is as large as it needs to be. */
  readonly pageBytes: number;
  /** Called once, with the bytes of each page in the order in which every step uses them. New pages are all zero. */
  open(pages: readonly number[]): void;
  /** The page, in memory until it is released; one page at a time. `fresh` the first time a page is used. */
  acquire(page: number): { memory: Memory; fresh: boolean };
  /** Gives the page back; `changed` when it was written to. */
  release(page: number, changed: boolean): void;
  [Symbol.dispose](): void;
}

/** State in ordinary memory: a page per parameter. */
export class MemoryState implements StateStore<Uint8Array> {
  readonly pageBytes = Number.POSITIVE_INFINITY;
  #pages: { memory: Uint8Array; fresh: boolean }[] | undefined;

  open(pages: readonly number[]): void {
    if (this.#pages) throw new TypeError("a state store serves one optimiser");
    this.#pages = pages.map((bytes) => ({ memory: new Uint8Array(bytes), fresh: true }));
  }

  acquire(page: number): { memory: Uint8Array; fresh: boolean } {
    const entry = this.#pages?.[page];
    if (!entry) throw new RangeError(`no page ${page} of ${this.#pages?.length ?? 0}`);
    const { memory, fresh } = entry;
    entry.fresh = false;
    return { memory, fresh };
  }

  release(): void {}

  [Symbol.dispose](): void {
    this.#pages = [];
  }
}
