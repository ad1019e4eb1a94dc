// Threads and instruction set of the native kernels.
import { native } from "./native.js";

/** Threads used, the caller's included. */
export const threads = (): number => native.threads();
/** Threads used from now on, 1 … 1024. Results do not depend on it. */
export const setThreads = (threads: number): void => native.setThreads(threads);
/** The instruction set in use: "scalar", "avx2", "avx512", "neon", or "typescript" where no addon loaded. */
export const simd = (): string => native.simd();
/** Uses another of {@link simds}. Results differ between sets in the last bits. */
export const setSimd = (name: string): void => native.setSimd(name);
/** The instruction sets this processor can run. */
export const simds = (): string[] => native.simds();
