// What must be freed: the base of memory, streams and events, and the list of those that are not freed yet.
import type { DeviceId } from "./devices.js";

/** A handle was freed twice, or used after it was freed. */
export class CudaHandleError extends Error {
  override readonly name = "CudaHandleError";
  readonly code: "DOUBLE_FREE" | "USE_AFTER_FREE";

  constructor(message: string, code: "DOUBLE_FREE" | "USE_AFTER_FREE") {
    super(message);
    this.code = code;
  }
}

/** A live handle, as `leaks()` lists it. */
export interface Leak {
  kind: string;
  device: DeviceId;
  bytes: number;
  label?: string;
  /** Where it was made; recorded while the environment has QLORA_CUDA_TRACE=1. */
  stack?: string;
  /** True when the handle was garbage-collected unfreed: its memory is released, but nobody said so. */
  collected: boolean;
}

const live = new Map<number, Leak>();
let made = 0;

// The net under a handle that is dropped unfreed. It holds no reference to the handle itself.
const net = new FinalizationRegistry<{ serial: number; release: Release }>(({ serial, release }) => {
  const leak = live.get(serial);
  if (leak) leak.collected = true;
  try {
    release(true);
  } catch {
    // a context that is gone took its memory along
  }
});

/** Every handle of this thread that has not been freed, oldest first. A test that ends with `[]` leaked nothing. */
export function leaks(): Leak[] {
  return [...live.values()];
}

/** Gives the thing back; `collected` when the garbage collector found it unfreed, perhaps with work still using it. */
export type Release = (collected: boolean) => void;

export abstract class Handle {
  readonly kind: string;
  readonly device: DeviceId;
  readonly label: string | undefined;
  readonly #serial = ++made;
  readonly #release: Release;
  #freed = false;

  /** `release` must not refer to the handle: it also runs after the handle is gone. */
  constructor(kind: string, device: DeviceId, bytes: number, label: string | undefined, release: Release) {
    this.kind = kind;
    this.device = device;
    this.label = label;
    this.#release = release;
    const leak: Leak = { kind, device, bytes, collected: false };
    if (label !== undefined) leak.label = label;
    if (process.env.QLORA_CUDA_TRACE === "1") leak.stack = new Error().stack?.split("\n").slice(3).join("\n") ?? "";
    live.set(this.#serial, leak);
    net.register(this, { serial: this.#serial, release }, this);
  }

  get freed(): boolean {
    return this.#freed;
  }

  /** "device memory "weights"", for messages. */
  describe(): string {
    return this.label === undefined ? this.kind : `${this.kind} "${this.label}"`;
  }

  /** @throws {CudaHandleError} USE_AFTER_FREE */
  protected alive(): void {
    if (this.#freed) throw new CudaHandleError(`${this.describe()} is used after it was freed`, "USE_AFTER_FREE");
  }

  /** What has to happen while the handle can still be used; memory waits for the copies that use it. */
  protected beforeFree(): void {}

  /**
   * Releases it. Using it afterwards is an error.
   * @throws {CudaHandleError} DOUBLE_FREE
   * @throws {CudaError} what the driver answers, also about earlier asynchronous work; the handle is gone all the same.
   */
  free(): void {
    if (this.#freed) throw new CudaHandleError(`${this.describe()} is freed twice`, "DOUBLE_FREE");
    try {
      this.beforeFree();
    } finally {
      this.#freed = true;
      live.delete(this.#serial);
      net.unregister(this);
      this.#release(false);
    }
  }

  /** The same, but nothing when it is freed already, and silent when the device's context is lost (the error was told before). */
  [Symbol.dispose](): void {
    if (this.#freed) return;
    try {
      this.free();
    } catch (error) {
      if ((error as { fatal?: boolean }).fatal !== true) throw error;
    }
  }
}
