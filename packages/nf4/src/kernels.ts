// Which kernels run: the addon's with one instruction set, or the reference.
import { type CodecKernels, native } from "./native.js";
import * as reference from "./reference.js";

let active: CodecKernels = native ?? reference;

/** The codec's kernels now in use. */
export function kernels(): CodecKernels {
  return active;
}

/** True where plain TypeScript runs. */
export function isReference(): boolean {
  return active === reference;
}

/** The instruction set in use: "avx512", "avx2", "neon", "scalar", or "reference" (plain TypeScript). QLORA_SIMD chooses it at load. */
export function simd(): string {
  return isReference() ? "reference" : native!.simd();
}

/** Chooses one of `simds()`. Codec results are the same bits with every one. @throws {RangeError} for any other name. */
export function setSimd(name: string): void {
  if (!simds().includes(name)) throw new RangeError(`simd must be one of ${simds().join(", ")}, got "${name}"`);
  if (name !== "reference") native?.setSimd(name);
  active = name === "reference" || !native ? reference : native;
}

/** The instruction sets that this machine and build have, "reference" always among them. */
export function simds(): string[] {
  return ["reference", ...(native?.simds() ?? [])];
}

/** Threads the addon uses, the caller's included; QLORA_THREADS, else all processors. 1 without an addon. */
export function threads(): number {
  return native?.threads() ?? 1;
}

/**
 * Sets the number of threads, 1 to 1024; results do not depend on it. On Linux with glibc they are those of all @qlora packages
 * in the process.
 */
export function setThreads(count: number): void {
  if (!Number.isInteger(count) || count < 1 || count > 1024)
    throw new RangeError(`threads must be a whole number from 1 to 1024, got ${count}`);
  native?.setThreads(count);
}

if (typeof process !== "undefined" && process.env?.QLORA_SIMD === "reference") setSimd("reference");
