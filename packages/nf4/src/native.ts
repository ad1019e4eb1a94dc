// The kernels: the addon where one loads, plain TypeScript (reference.ts) where none does.
import { type Addon, AddonError, type DeviceAddon, deviceKernels, loadAddon } from "@qlora/cuda-runtime/load";
import type { CudaKernels } from "./cuda.js";
import { NoCudaError } from "./no_cuda.js";
import type * as products from "./products_reference.js";
import type * as reference from "./reference.js";

/** The codec's kernels; reference.ts documents each. */
export type CodecKernels = typeof reference;

/** The products' kernels; products_reference.ts documents each. */
export type ProductKernels = typeof products;

/** The addon: the kernels of this package and what sets them. */
export interface Native extends Addon, CodecKernels, ProductKernels, DeviceAddon<CudaKernels> {
  simd(): string;
  setSimd(name: string): void;
  simds(): string[];
}

/** The addon, or undefined where none loads. */
export const native: Native | undefined = load();

/** The kernels of a device. @throws {NoCudaError} when this build has none */
export const cudaKernels = deviceKernels<CudaKernels>("nf4", import.meta.url, native, NoCudaError);

function load(): Native | undefined {
  try {
    return loadAddon<Native>("nf4", import.meta.url);
  } catch (error) {
    if (!(error instanceof AddonError)) throw error;
    return undefined;
  }
}
