// CUDA graphs: work recorded once and launched again at the cost of one call.
import type { DeviceId } from "./devices.js";
import { recordEmulated } from "./emulation.js";
import { Handle } from "./handle.js";
import { deviceIndex, native } from "./native.js";

export interface GraphOptions {
  /** Default 0. */
  device?: DeviceId;
  label?: string;
}

/**
 * What `record` queues on the device's default stream, with the arguments it has then: the same memory, the same sizes. What
 * varies between launches has to lie in that memory. `record` must queue kernels only, no synchronous copy and nothing that
 * allocates: run it once before, so that all it needs is there. On "cuda-emu" a launch runs `record` again, and refuses what a
 * driver would refuse to record.
 */
export class Graph extends Handle {
  readonly #index: number;
  readonly #handle: bigint;
  readonly #record: () => void;

  /** @throws {CudaError} when something was queued that a graph cannot hold */
  constructor(record: () => void, { device = 0, label }: GraphOptions = {}) {
    const index = deviceIndex(device);
    const handle = device === "cuda-emu" ? 0n : capture(index, record);
    super("graph", device, 0, label, () => {
      if (handle !== 0n) native().graphDestroy(index, handle);
    });
    this.#index = index;
    this.#handle = handle;
    this.#record = record;
  }

  /** Queues the work once more on the default stream. @throws {CudaError} */
  launch(): void {
    this.alive();
    if (this.#handle === 0n) recordEmulated(this.#record);
    else native().graphLaunch(this.#index, this.#handle);
  }
}

function capture(index: number, record: () => void): bigint {
  native().captureBegin(index);
  try {
    record();
  } catch (error) {
    try {
      native().graphDestroy(index, native().captureEnd(index));
    } catch {
      // the capture is over either way; what `record` threw is the error to report
    }
    throw error;
  }
  return native().captureEnd(index);
}
