// Which cuBLAS the products on a GPU use.
import { type DeviceArray, operations } from "./cuda.js";

/** cuBLAS as it was found: `path` and `version` of the library in use, or the `reason` why there is none. */
export interface Cublas {
  path: string | null;
  version: string | null;
  reason: string | null;
}

/**
 * The cuBLAS that large bf16 products on a device use; without one they run on this package's own kernels. It is searched once,
 * at the first large product or call of this. QLORA_CUBLAS=0 leaves it alone, a path names the library.
 * @throws {NoCudaError} when this build has no kernels for the device
 */
export function cublas(device: DeviceArray["device"] = 0): Cublas {
  return (operations({ device }) as unknown as { cublas(): Cublas }).cublas();
}
