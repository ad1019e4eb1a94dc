// Where an operation runs: on the CPU for typed arrays, on their device for device arrays.

import type { KernelAddon } from "@qlora/cuda-runtime";
import { AddonError, loadAddon } from "@qlora/cuda-runtime/load";
import { type Native, native, type Operations } from "./native.js";

/** An array on a device: `DeviceArray` of @qlora/cuda-runtime. */
export interface DeviceArray {
  /** CUDA's index of a GPU, or the emulated device. */
  readonly device: number | "cuda-emu";
  readonly dtype: "f32" | "bf16" | "i32" | "u8" | "i8";
  /** In elements. */
  readonly length: number;
  /** Address of the first element on the device. */
  readonly pointer: bigint;
  /** Elements begin … end of it, sharing the memory. */
  subarray(begin: number, end?: number): DeviceArray;
}

/** Of one operation, all arrays are typed arrays or all are on one device, where they may be f32 or bf16. */
export type Floats = Float32Array | DeviceArray;
/** Integers of 32 bits. */
export type Ints = Int32Array | DeviceArray;
/** bf16, the upper half of a float32. */
export type Halves = Uint16Array | DeviceArray;
/** Weights in float32 or bf16. */
export type Weights = Float32Array | Uint16Array | DeviceArray;

type Any = Operations<Floats, Ints, Halves, Weights>;
type CudaAddon = KernelAddon & { cuda: Any };

/** There are no kernels for the device of an array: the addon was built without CUDA, or does not load. */
export class NoCudaError extends Error {
  override name = "NoCudaError";
}

/** The operations for the arrays of a call, told by its first one. */
export function operations(array: unknown): Any {
  if (ArrayBuffer.isView(array) || typeof array !== "object" || array === null || !("device" in array)) return native;
  return array.device === "cuda-emu" ? emulated() : gpu();
}

let emulation: CudaAddon | undefined;

/** kernels.emu.node, loaded when it is first needed. */
function emulated(): Any {
  try {
    emulation ??= loadAddon<CudaAddon>("kernels.emu", import.meta.url);
  } catch (error) {
    if (!(error instanceof AddonError)) throw error;
    throw new NoCudaError(`@qlora/kernels has no kernels for cuda-emu: ${error.message}`);
  }
  return emulation.cuda;
}

function gpu(): Any {
  const { cuda, cudaBackend } = native as Native & Partial<CudaAddon>;
  if (cuda && cudaBackend === "cuda") return cuda;
  throw new NoCudaError("@qlora/kernels was built without CUDA: build it where nvcc is, or use typed arrays");
}
