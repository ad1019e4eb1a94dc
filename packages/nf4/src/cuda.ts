// The kernels that work on a device's arrays: nf4.node's on GPUs, nf4.emu.node's on the emulated device.
import type { DeviceArray, kernelArguments } from "./device.js";
import { loadEmulated, native } from "./native.js";

type Tensor = ReturnType<typeof kernelArguments>;

/** cuBLAS as it was found: `path` and `version` of the library in use, or the `reason` why there is none. */
export interface Cublas {
  path: string | null;
  version: string | null;
  reason: string | null;
}

/** device.h documents each. */
export interface CudaKernels {
  quantize(
    n: number,
    x: DeviceArray,
    blockSize: number,
    levels: Float32Array,
    signed: boolean,
    scales: DeviceArray,
    codes: DeviceArray,
    bad: DeviceArray,
  ): void;
  mean(n: number, x: DeviceArray, sums: DeviceArray, mean: DeviceArray): void;
  quantizeBlockwise(
    n: number,
    x: DeviceArray,
    map: DeviceArray,
    offset: DeviceArray,
    absmax: DeviceArray,
    codes: DeviceArray,
  ): void;
  dequantize(n: number, ...args: [...Tensor, out: DeviceArray]): void;
  product4(
    transposed: boolean,
    accumulate: boolean,
    m: number,
    n: number,
    k: number,
    x: DeviceArray,
    out: DeviceArray,
    ...args: [...Tensor, scratch: DeviceArray | null, dense: DeviceArray | null]
  ): void;
  cublas(): Cublas;
}

/** An addon with kernels for a device. */
export interface CudaAddon {
  cudaBackend: "cuda" | "emu" | "none";
  cuda: CudaKernels;
}

/** There are no kernels for a device: the addon was built without CUDA, or does not load. */
export class NoCudaError extends Error {
  override name = "NoCudaError";
}

/** The kernels of a device. @throws {NoCudaError} when this build has none. */
export function cudaKernels(device: DeviceArray["device"]): CudaKernels {
  if (device === "cuda-emu") {
    const emulated = loadEmulated();
    if (emulated) return emulated.cuda;
    throw new NoCudaError("@qlora/nf4 has no kernels for cuda-emu here: nf4.emu.node does not load");
  }
  if (native?.cudaBackend === "cuda") return native.cuda;
  throw new NoCudaError("@qlora/nf4 was built without CUDA: build it where nvcc is, or use typed arrays");
}

/**
 * The cuBLAS that products with decoded weights use; without one they run on own kernels. It is searched once, at the first
 * large product or call of this. QLORA_CUBLAS=0 leaves it alone, a path names the library.
 * @throws {NoCudaError} when this build has no kernels for the device
 */
export function cublas(device: DeviceArray["device"] = 0): Cublas {
  return cudaKernels(device).cublas();
}
