// The kernels that work on a device's arrays: nf4.node's on GPUs, nf4.emu.node's on the emulated device.
import type { DeviceArray, kernelArguments } from "./device.js";
import { cudaKernels } from "./native.js";

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

/**
 * The cuBLAS that products with decoded weights use; without one they run on own kernels. It is searched once, at the first
 * large product or call of this. QLORA_CUBLAS=0 leaves it alone, a path names the library.
 * @throws {NoCudaError} when this build has no kernels for the device
 */
export function cublas(device: DeviceArray["device"] = 0): Cublas {
  return cudaKernels(device).cublas();
}
