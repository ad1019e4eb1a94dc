// What becomes of a run whose device fails.
import { asCudaError, CudaError, CudaOutOfMemoryError } from "@qlora/cuda-runtime";
import type { Device } from "@qlora/transformer";
import { TrainError } from "./error.js";

/** An error of the device as one of the run's; anything else as it is. */
export function deviceError(error: unknown, device: Device, saved: string | undefined): unknown {
  const cause = asCudaError(error);
  if (!(cause instanceof CudaError)) return error;
  const kept = saved === undefined ? "no checkpoint was saved yet" : `${saved} is intact: continue with --resume auto`;
  if (cause instanceof CudaOutOfMemoryError)
    return new TrainError(
      "NO_MEMORY",
      `${cause.message}; ${kept}. Lower batch_size, max_length or lora_r, or set gpu_memory so that the optimiser's state pages`,
      { cause },
    );
  return new TrainError("DEVICE_FAILED", `device ${device} failed: ${cause.message}; ${kept}`, { cause });
}
