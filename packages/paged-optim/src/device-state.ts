// Optimiser state for parameters on a device: in its memory within a budget, beyond that where the device can reach it.
import {
  alloc,
  allocManaged,
  allocPinned,
  DeviceArray,
  type DeviceId,
  devices,
  type Memory,
  memset,
} from "@qlora/cuda-runtime";
import type { StateStore } from "./store.js";

export interface DeviceStateOptions {
  /** Default 0. */
  device?: DeviceId;
  /** Bytes of state in the device's memory at most. Default: all of it. */
  budget?: number;
  /**
   * Where state beyond the budget lives. "pinned" (default): page-locked memory of the host, which kernels read and write in
   * place over the bus. "managed": unified memory, which the driver moves to the device and back; never more of it than is free.
   */
  beyond?: "pinned" | "managed";
}

type Place = "device" | "pinned" | "managed";
const make = { device: alloc, pinned: allocPinned, managed: allocManaged };

/**
 * The state of a parameter is a page, and every step uses each page once: so it does not matter for speed which pages lie on the
 * device, only how many bytes. They are placed in order, each on the device where it still fits the budget.
 */
export class DeviceState implements StateStore<DeviceArray> {
  readonly pageBytes = Number.POSITIVE_INFINITY;
  readonly device: DeviceId;
  /** Bytes of state in each place. */
  readonly bytes: Readonly<Record<Place, number>> = { device: 0, pinned: 0, managed: 0 };
  readonly #budget: number;
  readonly #beyond: "pinned" | "managed";
  #pages: { memory: DeviceArray; fresh: boolean }[] | undefined;
  #memories: Memory[] = [];

  /**
   * @throws {RangeError} for a budget below 0
   * @throws {TypeError} for managed memory on a device that does not move it on demand (`concurrentManagedAccess`)
   */
  constructor({ device = 0, budget = Number.POSITIVE_INFINITY, beyond = "pinned" }: DeviceStateOptions = {}) {
    if (!(budget >= 0)) throw new RangeError(`budget must be bytes ≥ 0, got ${budget}`);
    if (beyond !== "pinned" && beyond !== "managed")
      throw new TypeError(`beyond must be "pinned" or "managed", got ${beyond}`);
    if (beyond === "managed" && !movesOnDemand(device))
      throw new TypeError(`device ${device} does not move managed memory on demand: use beyond: "pinned"`);
    this.device = device;
    this.#budget = budget;
    this.#beyond = beyond;
  }

  /** @throws {CudaOutOfMemoryError} when a place cannot give as much; nothing is kept then */
  open(pages: readonly number[]): void {
    if (this.#pages) throw new TypeError("a state store serves one optimiser");
    const bytes = this.bytes as Record<Place, number>;
    const placed = pages.map((size) => {
      const place: Place = bytes.device + size <= this.#budget ? "device" : this.#beyond;
      const offset = bytes[place];
      bytes[place] += size;
      return { place, offset, size };
    });
    const arenas = new Map<Place, Memory>();
    try {
      for (const place of ["device", "pinned", "managed"] as const)
        if (bytes[place] > 0) {
          const memory = make[place](bytes[place], { device: this.device, label: "optimiser state" });
          this.#memories.push(memory);
          memset(memory, 0);
          arenas.set(place, memory);
        }
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
    this.#pages = placed.map(({ place, offset, size }) => ({
      memory: new DeviceArray(arenas.get(place)!, "u8", size, offset),
      fresh: true,
    }));
  }

  acquire(page: number): { memory: DeviceArray; fresh: boolean } {
    const entry = this.#pages?.[page];
    if (!entry) throw new RangeError(`no page ${page} of ${this.#pages?.length ?? 0}`);
    const { memory, fresh } = entry;
    entry.fresh = false;
    return { memory, fresh };
  }

  release(): void {}

  /** Frees the state. */
  [Symbol.dispose](): void {
    for (const memory of this.#memories) memory[Symbol.dispose]();
    this.#memories = [];
    this.#pages = [];
  }
}

function movesOnDemand(device: DeviceId): boolean {
  const found = devices({ emulation: device === "cuda-emu" }).devices.find(({ id }) => id === device);
  return found?.concurrentManagedAccess === true;
}
