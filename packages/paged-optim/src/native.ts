// The native addon, or the plain TypeScript reference where none can be loaded.
import { type Addon, AddonError, loadAddon } from "@qlora/cuda-runtime/load";
import type { PageFile } from "./page-file.js";
import * as reference from "./reference.js";

/** On a device all arrays are `DeviceArray`s. */
export interface Native<Floats = Float32Array, Bytes = Uint8Array, Halves = Uint16Array> extends Addon {
  simd(): string;
  setSimd(name: string): void;
  simds(): string[];
  /** One step of `n` elements in place; see native/step.h. States are f32, or codes with one absmax per 256 elements. */
  step(
    rule: number,
    n: number,
    weights: Floats | Halves,
    gradient: Floats,
    hyper: Float32Array,
    s0: Floats | Bytes | null,
    s1: Floats | Bytes | null,
    s2: Floats | Bytes | null,
    absmax0: Floats | null,
    absmax1: Floats | null,
    absmax2: Floats | null,
    master: Floats | null,
    random: Uint32Array | null,
    first: number,
  ): void;
  /** Σ x², in f64. */
  sumSquares(x: Float32Array): number;
  /** x *= a. */
  scale(x: Float32Array, a: number): void;
  /** codes [n] and absmax [ceil(n / 256)] of x [n]. */
  encode(x: Float32Array, signed: boolean, codes: Uint8Array, absmax: Float32Array): void;
  decode(codes: Uint8Array, absmax: Float32Array, signed: boolean, x: Float32Array): void;
  /** values [256] of the map. */
  dynamicMap(signed: boolean, values: Float32Array): void;
  /** bf16 x [n] to f32 y [n]. */
  widen(x: Halves, y: Floats): void;
  /** A file of pages with a thread of its own; the addon's only. */
  PageFile?: new (
    path: string,
    pageBytes: number,
    pages: number,
    frames: number,
    direct: boolean,
  ) => PageFile;
}

function load(): Native {
  try {
    return loadAddon<Native>("paged-optim", import.meta.url);
  } catch (error) {
    if (error instanceof AddonError) return reference;
    throw error;
  }
}

export const native: Native = load();

/** Threads the kernels use; results do not depend on it. */
export const threads = (): number => native.threads();
export const setThreads = (threads: number): void => native.setThreads(threads);
/** The instruction set in use, how to choose another (`QLORA_SIMD` in the environment does too), and which there are here. */
export const simd = (): string => native.simd();
export const setSimd = (name: string): void => native.setSimd(name);
export const simds = (): string[] => native.simds();
