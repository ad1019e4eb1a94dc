// The kernels for arrays on a device: paged-optim.node's on GPUs, paged-optim.emu.node's on the emulated device.
import type { DeviceArray, DeviceId, KernelAddon } from "@qlora/cuda-runtime";
import { AddonError, loadAddon } from "@qlora/cuda-runtime/load";
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

type CudaAddon = KernelAddon & { cuda: CudaKernels };

/** There are no kernels for a device: the addon was built without CUDA, or does not load. */
export class NoCudaError extends Error {
  override name = "NoCudaError";
}

/** Whether an array is on a device, and not a typed array of the host. */
export const onDevice = (array: object): array is DeviceArray => !ArrayBuffer.isView(array) && "device" in array;

let emulation: CudaAddon | undefined;

/** The kernels of a device. @throws {NoCudaError} when this build has none */
export function cudaKernels(device: DeviceId): CudaKernels {
  if (device === "cuda-emu") return emulated().cuda;
  const { cuda, cudaBackend } = native as Native & Partial<CudaAddon>;
  if (cuda && cudaBackend === "cuda") return cuda;
  throw new NoCudaError("@qlora/paged-optim was built without CUDA: build it where nvcc is, or use typed arrays");
}

/** The addon of the emulated device, loaded when it is first needed. @throws {NoCudaError} when it does not load */
export function emulated(): CudaAddon {
  try {
    emulation ??= loadAddon<CudaAddon>("paged-optim.emu", import.meta.url);
  } catch (error) {
    if (!(error instanceof AddonError)) throw error;
    throw new NoCudaError(`@qlora/paged-optim has no kernels for cuda-emu: ${error.message}`);
  }
  return emulation;
}
