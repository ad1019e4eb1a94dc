// @qlora/kernels: the dense math of a decoder, forward and backward. Arrays are row-major float32; sizes are one last
// object.
export { type AttentionOptions, attention, attentionBackward, attentionScratch } from "./attention.js";
export { crossEntropy } from "./cross_entropy.js";
export { type Cublas, cublas } from "./cublas.js";
export { type DeviceArray, type Floats, type Halves, type Ints, NoCudaError, type Weights } from "./cuda.js";
export { add, type DropoutOptions, dropout, fromBf16, scale, sumSquares, toBf16 } from "./elementwise.js";
export { embedding, embeddingBackward } from "./embedding.js";
export { type ComputeOptions, type MatmulOptions, matmul, matmulGradWeight, matmulTransposed } from "./matmul.js";
export { preferHugePages } from "./pages.js";
export { rmsNorm, rmsNormBackward } from "./rms_norm.js";
export { type RopeScaling, type RopeTables, rope, ropeFrequencies, ropeTables } from "./rope.js";
export { setSimd, setThreads, simd, simds, threads } from "./runtime.js";
export { swiglu, swigluBackward } from "./swiglu.js";
