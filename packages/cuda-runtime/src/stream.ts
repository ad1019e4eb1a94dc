// Streams order work on a device; events mark points in them and take times.
import type { DeviceId } from "./devices.js";
import { Handle } from "./handle.js";
import type { Memory } from "./memory.js";
import { deviceIndex, native } from "./native.js";

export interface StreamOptions {
  /** Default 0. */
  device?: DeviceId;
  /** Does not wait for the default stream, nor it for this one: synchronous copies are then not ordered with it. */
  nonBlocking?: boolean;
  label?: string;
}

/** A queue of work of one device. Kernels take `handle`. */
export class Stream extends Handle {
  readonly #index: number;
  readonly #handle: bigint;
  readonly #held = new Set<Memory>();

  constructor({ device = 0, nonBlocking = false, label }: StreamOptions = {}) {
    const index = deviceIndex(device);
    const handle = native().streamCreate(index, nonBlocking);
    super("stream", device, 0, label, () => native().streamDestroy(index, handle));
    this.#index = index;
    this.#handle = handle;
  }

  /** The driver's handle. @throws {CudaHandleError} USE_AFTER_FREE */
  get handle(): bigint {
    this.alive();
    return this.#handle;
  }

  /** Keeps `memory` from being freed or collected until the work queued so far is done. copyAsync() does it; launch code should. */
  hold(memory: Memory): void {
    memory.usedBy(this);
    this.#held.add(memory);
  }

  /** Blocks until all its work is done. @throws {CudaError} also for what that work did wrong */
  synchronize(): void {
    this.alive();
    try {
      native().streamSynchronize(this.#index, this.#handle);
    } finally {
      this.#drop();
    }
  }

  /** True when all its work is done. @throws {CudaError} */
  query(): boolean {
    this.alive();
    const done = native().streamQuery(this.#index, this.#handle);
    if (done) this.#drop();
    return done;
  }

  /** Resolves when all its work is done, without blocking the event loop. */
  async finished(): Promise<void> {
    await poll(() => this.query());
  }

  /** What is queued from now on starts after the event. */
  wait(event: Event): void {
    native().streamWait(this.#index, this.handle, event.handle);
  }

  protected override beforeFree(): void {
    this.synchronize();
  }

  #drop(): void {
    for (const memory of this.#held) memory.unusedBy(this);
    this.#held.clear();
  }
}

export interface EventOptions {
  /** Default 0. */
  device?: DeviceId;
  /** Default true; false makes it cheaper and since() impossible. */
  timing?: boolean;
  label?: string;
}

/** A point in a stream. */
export class Event extends Handle {
  readonly #index: number;
  readonly #handle: bigint;

  constructor({ device = 0, timing = true, label }: EventOptions = {}) {
    const index = deviceIndex(device);
    const handle = native().eventCreate(index, timing);
    super("event", device, 0, label, () => native().eventDestroy(index, handle));
    this.#index = index;
    this.#handle = handle;
  }

  get handle(): bigint {
    this.alive();
    return this.#handle;
  }

  /** Marks the end of what is queued now, in the stream or the default stream. */
  record(stream?: Stream): this {
    native().eventRecord(this.#index, this.handle, stream?.handle ?? 0n);
    return this;
  }

  /** Blocks until it is reached. @throws {CudaError} */
  synchronize(): void {
    native().eventSynchronize(this.#index, this.handle);
  }

  /** True when it is reached. */
  query(): boolean {
    return native().eventQuery(this.#index, this.handle);
  }

  /** Resolves when it is reached, without blocking the event loop. */
  async finished(): Promise<void> {
    await poll(() => this.query());
  }

  /** Milliseconds of the device's clock from `start` to here; waits until both are reached. */
  since(start: Event): number {
    start.synchronize();
    this.synchronize();
    return native().elapsed(this.#index, start.handle, this.handle);
  }
}

/**
 * Makes the device the one that kernels launched from this thread run on. Every call of this package with a device does so
 * too: it matters only where several real devices are used in turns.
 */
export function setDevice(device: DeviceId): void {
  native().setDevice(deviceIndex(device));
}

/** Blocks until the device has done everything asked of it. @throws {CudaError} also for what went wrong in that work */
export function synchronize(device: DeviceId = 0): void {
  native().synchronize(deviceIndex(device));
}

// The driver's own callbacks do not run once the context is lost, so completion is polled: at once, then every millisecond.
async function poll(done: () => boolean): Promise<void> {
  for (let i = 0; !done(); i++)
    await new Promise<void>((resolve) => (i < 16 ? setImmediate(resolve) : setTimeout(resolve, 1)));
}
