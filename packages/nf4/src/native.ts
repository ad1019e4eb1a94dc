// The kernels: the addon where one loads, plain TypeScript (reference.ts) where none does.
import { type Addon, AddonError, loadAddon } from "@qlora/cuda-runtime/load";
import type { CudaAddon } from "./cuda.js";
import type * as products from "./products_reference.js";
import type * as reference from "./reference.js";

/** The codec's kernels; reference.ts documents each. */
export type CodecKernels = typeof reference;

/** The products' kernels; products_reference.ts documents each. */
export type ProductKernels = typeof products;

/** The addon: the kernels of this package and what sets them. */
export interface Native extends Addon, CodecKernels, ProductKernels, CudaAddon {
  simd(): string;
  setSimd(name: string): void;
  simds(): string[];
}

/** The addon, or undefined where none loads. */
export const native: Native | undefined = load<Native>("nf4");

let emulated: (Addon & CudaAddon) | undefined;

/** The addon whose kernels run on the emulated device, loaded when first needed, or undefined where it does not load. */
export function loadEmulated(): CudaAddon | undefined {
  emulated ??= load<Addon & CudaAddon>("nf4.emu");
  return emulated;
}

function load<T extends Addon>(name: string): T | undefined {
  try {
    return loadAddon<T>(name, import.meta.url);
  } catch (error) {
    if (!(error instanceof AddonError)) throw error;
    return undefined;
  }
}
