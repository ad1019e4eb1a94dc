// The addon's functions, or the plain TypeScript ones where no addon loads. Sizes come first, arrays after.
import { type Addon, AddonError, loadAddon } from "@qlora/cuda-runtime/load";
import { fallback } from "./fallback.js";

/** The operations, on the arrays of the CPU or of a device: floats, integers, bf16, and floats that may be bf16. */
export interface Operations<F, I, H, W> {
  matmul(m: number, n: number, k: number, alpha: number, accumulate: boolean, x: F, w: W, y: F): void;
  matmulTransposed(m: number, n: number, k: number, alpha: number, accumulate: boolean, dy: F, w: W, dx: F): void;
  matmulGradWeight(m: number, n: number, k: number, alpha: number, accumulate: boolean, dy: F, x: F, dw: F): void;
  rmsNorm(m: number, d: number, eps: number, x: F, weight: F, y: F, invRms: F): void;
  rmsNormBackward(m: number, d: number, dy: F, x: F, weight: F, invRms: F, dx: F, dweight: F | null): void;
  rope(m: number, heads: number, headDim: number, inverse: boolean, x: F, positions: I, cos: F, sin: F): void;
  attention(
    heads: number,
    kvHeads: number,
    headDim: number,
    scale: number,
    cuQ: I,
    cuK: I,
    q: F,
    k: F,
    v: F,
    out: F,
    lse: F,
    scratch?: F | null,
  ): void;
  attentionBackward(
    heads: number,
    kvHeads: number,
    headDim: number,
    scale: number,
    cuQ: I,
    cuK: I,
    dout: F,
    q: F,
    k: F,
    v: F,
    out: F,
    lse: F,
    dq: F,
    dk: F,
    dv: F,
  ): void;
  swiglu(n: number, gate: F, up: F, y: F): void;
  swigluBackward(n: number, dy: F, gate: F, up: F, dgate: F, dup: F): void;
  crossEntropy(m: number, v: number, scale: number, gradient: boolean, logits: F, labels: I, losses: F): void;
  embedding(m: number, d: number, vocab: number, ids: I, table: W, y: F): void;
  embeddingBackward(m: number, d: number, vocab: number, ids: I, dy: F, dtable: F): void;
  add(n: number, x: F, y: F): void;
  scale(n: number, a: number, x: F): void;
  sumSquares(n: number, x: F, sums?: F): number | undefined;
  dropout(
    n: number,
    p: number,
    seedHigh: number,
    seedLow: number,
    offset: number,
    accumulate: boolean,
    x: F,
    y: F,
  ): void;
  toBf16(n: number, x: F, y: H): void;
  fromBf16(n: number, x: H, y: F): void;
}

/** The addon: its operations on typed arrays, and under `cuda` those on a GPU's arrays. */
export interface Native extends Addon, Operations<Float32Array, Int32Array, Uint16Array, Float32Array | Uint16Array> {
  /** `matmul` and `matmulTransposed` with both operands in 8 bits. */
  matmulInt8: this["matmul"];
  matmulTransposedInt8: this["matmulTransposed"];
  preferHugePages(bytes: Uint8Array): void;
  simd(): string;
  setSimd(name: string): void;
  simds(): string[];
}

function load(): Native {
  try {
    return loadAddon<Native>("kernels", import.meta.url);
  } catch (error) {
    if (!(error instanceof AddonError)) throw error;
    process.emitWarning(`${error.message}\nUsing plain TypeScript kernels, which are far slower.`, "QloraWarning");
    return fallback;
  }
}

export const native: Native = load();
