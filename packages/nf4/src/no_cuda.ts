// Where there are no kernels for a device.

/** There are no kernels for a device: the addon was built without CUDA, or does not load. */
export class NoCudaError extends Error {
  override name = "NoCudaError";
}
