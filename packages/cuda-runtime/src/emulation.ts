// Addons whose kernels run on the emulator (docs/writing-kernels.md): how they are set up for a test.
import { CudaError } from "./errors.js";
import type { Addon } from "./load.js";

/** The order in which the threads of a block take their turns, and when their cp.async copies happen. */
export interface Emulation {
  schedule: "forward" | "reverse" | "random";
  copies: "lazy" | "eager";
}

/** All combinations. Bugs show in some of them only, so kernel tests run in each. */
export const emulations: readonly Emulation[] = (["forward", "reverse", "random"] as const).flatMap((schedule) =>
  (["lazy", "eager"] as const).map((copies) => ({ schedule, copies })),
);

/** What the emulator counted; bankConflicts are those of ldmatrix. */
export interface EmulationStatistics {
  launches: number;
  blocks: number;
  threads: number;
  switches: number;
  barriers: number;
  collectives: number;
  bankConflicts: number;
}

/** An addon with kernels. One on the emulator was loaded by `loadAddon("<name>.emu", …)` and takes the last two. */
export interface KernelAddon extends Addon {
  /** What its kernels were compiled for: nvcc, the emulator, or nothing because there was no nvcc. */
  cudaBackend: "cuda" | "emu" | "none";
  setEmulation?(schedule: Emulation["schedule"], copies: Emulation["copies"], seed: number): void;
  /** Counts since the last call. */
  emulationStatistics?(): EmulationStatistics;
}

let recording = false;

/** Runs the work of a graph: what is no kernel is refused meanwhile, as a driver refuses it in a capture. */
export function recordEmulated(work: () => void): void {
  recording = true;
  try {
    work();
  } finally {
    recording = false;
  }
}

/** @throws {CudaError} CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED within `recordEmulated`; `device` -1 is cuda-emu */
export function notRecorded(call: string, device: number): void {
  if (!recording || device !== -1) return;
  const name = "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED";
  throw new CudaError(`${call}: ${name}: a graph holds kernels only`, { name, code: 900, call });
}
