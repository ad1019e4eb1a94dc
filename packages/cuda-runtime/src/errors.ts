// Errors of the CUDA driver: every status that is not success becomes one of these.

/** A driver call failed. `name` is the status (`CUDA_ERROR_…`), `code` its number, `call` the driver function. */
export class CudaError extends Error {
  override readonly name: string;
  readonly code: number;
  readonly call: string;

  constructor(message: string, { name, code, call }: { name: string; code: number; call: string }) {
    super(message);
    this.name = name;
    this.code = code;
    this.call = call;
  }

  /** True when the status has destroyed the process's context: no later call on the device can succeed. */
  get fatal(): boolean {
    return fatalCodes.has(this.code);
  }
}

/** The device, or pinned host memory, cannot give `asked` bytes. `free` is what the device had left when asked. */
export class CudaOutOfMemoryError extends CudaError {
  readonly asked: number;
  readonly free: number;
  readonly device: number | "cuda-emu";

  constructor(message: string, details: { call: string; asked: number; free: number; device: number | "cuda-emu" }) {
    super(message, { name: "CUDA_ERROR_OUT_OF_MEMORY", code: 2, call: details.call });
    this.asked = details.asked;
    this.free = details.free;
    this.device = details.device;
  }
}

export type UnavailableCode = "NO_ADDON" | "NO_DRIVER" | "NO_DEVICE" | "DRIVER_TOO_OLD" | "INIT_FAILED";

/** There is no CUDA here; `code` and the message say why, as `devices()` does. */
export class CudaUnavailableError extends Error {
  override readonly name = "CudaUnavailableError";
  readonly code: UnavailableCode;

  constructor(message: string, code: UnavailableCode) {
    super(message);
    this.code = code;
  }
}

// cuda.h: the statuses whose description ends in "the process must be terminated and relaunched", and lost devices.
const fatalCodes = new Set([46, 214, 220, 226, 700, 702, 709, 710, 714, 715, 716, 717, 718, 719, 721]);

/** Turns what a native call threw into a CudaError, and returns anything else as it is. For addons that launch kernels. */
export function asCudaError(error: unknown): unknown {
  const { code, status, call } = error as { code?: unknown; status?: unknown; call?: unknown };
  if (!(error instanceof Error) || typeof code !== "number" || typeof status !== "string" || typeof call !== "string")
    return error;
  return new CudaError(error.message, { name: status, code, call });
}
