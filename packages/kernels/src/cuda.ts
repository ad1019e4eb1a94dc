// Where an operation runs: on the CPU for typed arrays, on their device for device arrays.
import { deviceKernels } from "@qlora/cuda-runtime/load";
import { native, type Operations } from "./native.js";

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

/** There are no kernels for a device: the addon was built without CUDA, or does not load. */
export class NoCudaError extends Error {
  override name = "NoCudaError";
}

const onDevice = deviceKernels<Any>("kernels", import.meta.url, native, NoCudaError);

/** The operations for the arrays of a call, told by its first one. @throws {NoCudaError} when this build has none for its device */
export function operations(array: unknown): Any {
  if (ArrayBuffer.isView(array) || typeof array !== "object" || array === null || !("device" in array)) return native;
  return onDevice(array.device as DeviceArray["device"]);
}
