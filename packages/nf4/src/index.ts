// @qlora/nf4: 4-bit codecs with double quantisation, and matrix products straight from 4 bits.
export { dequantizeAsync, quantizeAsync } from "./async.js";
export { type BitsandbytesTensor, fromBitsandbytes, toBitsandbytes } from "./bitsandbytes.js";
export { type Blockwise, type BlockwiseOptions, dequantizeBlockwise, quantizeBlockwise } from "./blockwise.js";
export { codebookNames, levels } from "./codebooks.js";
export { bytes, dequantize, quantize } from "./codec.js";
export { type Cublas, cublas } from "./cuda.js";
export {
  type Alloc,
  type DeviceArray,
  type DeviceNestedScales,
  type DeviceQuantizedTensor,
  freeTensor,
  toDevice,
  toHost,
} from "./device.js";
export type { DeviceQuantizeOptions } from "./device_codec.js";
export { type DeviceProductOptions, denseRows } from "./device_products.js";
export { dynamicMapSigned, dynamicMapUnsigned } from "./dynamic-map.js";
export { setSimd, setThreads, simd, simds, threads } from "./kernels.js";
export { NoCudaError } from "./no_cuda.js";
export { matmul, matmulTransposed, type ProductOptions } from "./products.js";
export { nest, scales, shifts, unnest } from "./scales.js";
export { dequantizeStream, type QuantizedPart, quantizeStream } from "./stream.js";
export { type TiledWeights, tile, untile } from "./tile.js";
export type * from "./types.js";
