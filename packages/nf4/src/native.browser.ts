// What stands for native.ts in a browser bundle: there is no addon.
import type { Native } from "./native.js";
import { NoCudaError } from "./no_cuda.js";

export const native: Native | undefined = undefined;
export const cudaKernels = (): never => {
  throw new NoCudaError("@qlora/nf4 has no kernels for devices in a browser");
};
