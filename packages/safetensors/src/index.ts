// @qlora/safetensors: read and write safetensors files and sharded checkpoints, strictly.
export { writeFileAtomic } from "./atomic.js";
export { Checkpoint, type CheckpointTensor, openCheckpoint } from "./checkpoint.js";
export { bf16ToFloat32, float16ToFloat32, float32ToBf16, float32ToFloat16, toFloat32 } from "./convert.js";
export { bitsPerElement, type Dtype, dtypes, isDtype } from "./dtypes.js";
export type { TensorInfo } from "./entry.js";
export { SafetensorsError, type SafetensorsErrorCode } from "./errors.js";
export { type ByteRange, openSafetensors, SafetensorsFile, type TensorPlace } from "./file.js";
export { type Header, type HeaderLimits, parseHeader } from "./header.js";
export { type TensorData, type WriteOptions, writeSafetensors } from "./write.js";
