// What becomes of a run whose device fails.
import { asCudaError, CudaError, CudaOutOfMemoryError } from "@qlora/cuda-runtime";
import type { Device } from "@qlora/transformer";
import { checkpointSteps } from "./checkpoint.js";
import { TrainError } from "./error.js";

/** An error of the device as one of the run's, whose checkpoints are in `checkpoints`; anything else as it is. */
export function deviceError(error: unknown, device: Device, checkpoints: string): unknown {
  const cause = asCudaError(error);
  if (!(cause instanceof CudaError)) return error;
  const [step] = checkpointSteps(checkpoints);
  const kept =
    step === undefined
      ? "no checkpoint was saved yet"
      : `checkpoint step-${step} is intact: continue with --resume auto`;
  if (cause instanceof CudaOutOfMemoryError)
    return new TrainError(
      "NO_MEMORY",
      `${cause.message}; ${kept}. Lower batch_size, max_length or lora_r, or set gpu_memory so that the optimiser's state pages`,
      { cause },
    );
  return new TrainError("DEVICE_FAILED", `device ${device} failed: ${cause.message}; ${kept}`, { cause });
}
