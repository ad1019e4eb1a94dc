// Addons whose kernels run on the emulator (docs/writing-kernels.md): how they are set up for a test.
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
