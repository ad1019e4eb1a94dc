// The kernels for arrays on a device: paged-optim.node's on GPUs, paged-optim.emu.node's on the emulated device.
import type { DeviceArray } from "@qlora/cuda-runtime";
import { deviceKernels } from "@qlora/cuda-runtime/load";
import { type Native, native } from "./native.js";

/** The arguments of the native function with device arrays for its typed arrays, but for `hyper` and `random`. */
type Step = Native<DeviceArray, DeviceArray, DeviceArray>["step"];

/** Queued on the default stream: they return at once. */
export interface CudaKernels {
  step: Step;
  /** Σ x² as the f64 in the 8 bytes of `sum`; `scratch` has `sumBytes` bytes. */
  sumSquares(x: DeviceArray, scratch: DeviceArray, sum: DeviceArray): void;
  sumBytes: number;
  /** x *= a. */
  scale(x: DeviceArray, a: number): void;
  /** bf16 x [n] to f32 y [n]. */
  widen(x: DeviceArray, y: DeviceArray): void;
}

/** Whether an array is on a device, and not a typed array of the host. */
export const onDevice = (array: object): array is DeviceArray => !ArrayBuffer.isView(array) && "device" in array;

/** There are no kernels for a device: the addon was built without CUDA, or does not load. */
export class NoCudaError extends Error {
  override name = "NoCudaError";
}

/** The kernels of a device. @throws {NoCudaError} when this build has none */
export const cudaKernels = deviceKernels<CudaKernels>("paged-optim", import.meta.url, native, NoCudaError);
