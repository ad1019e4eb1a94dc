// The addon: the machine's ceilings, and OpenBLAS where it is installed.
import { type Addon, loadAddon } from "@qlora/cuda-runtime/load";

interface Native extends Addon {
  simd(): string;
  /** Multiply-adds in registers on every thread; returns the floating-point operations done. */
  fma(iterations: number): number;
  /** Likewise of bytes; 0 where the instruction set has no way of its own. */
  int8(iterations: number): number;
  /** Streams of memory, past the cache where the instruction set can. */
  read(x: Float32Array): void;
  write(y: Float32Array): void;
  copy(x: Float32Array, y: Float32Array): void;
  /** Nanoseconds for a cache line from one core to another; 0 where there is but one. */
  handover(): number;
  openBlas(threads: number): boolean;
  /** y [m, n] = x·wᵀ, or with `transposed` y [m, k] = x [m, n]·w, for w [n, k]. */
  sgemm(transposed: boolean, m: number, n: number, k: number, x: Float32Array, w: Float32Array, y: Float32Array): void;
}

export const native = loadAddon<Native>("bench", import.meta.url);
