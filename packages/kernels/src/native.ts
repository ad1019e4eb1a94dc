// The addon's functions, or the plain TypeScript ones where no addon loads. Sizes come first, arrays after.
import { type Addon, AddonError, loadAddon } from "@qlora/cuda-runtime/load";
import { fallback } from "./fallback.js";

/** Weights that stay in 16 bits are bf16, the upper half of a float32. */
export type Weights = Float32Array | Uint16Array;

export interface Native extends Addon {
  simd(): string;
  setSimd(name: string): void;
  simds(): string[];

  matmul(
    m: number,
    n: number,
    k: number,
    alpha: number,
    accumulate: boolean,
    x: Float32Array,
    w: Weights,
    y: Float32Array,
  ): void;
  matmulTransposed(
    m: number,
    n: number,
    k: number,
    alpha: number,
    accumulate: boolean,
    dy: Float32Array,
    w: Weights,
    dx: Float32Array,
  ): void;
  matmulGradWeight(
    m: number,
    n: number,
    k: number,
    alpha: number,
    accumulate: boolean,
    dy: Float32Array,
    x: Float32Array,
    dw: Float32Array,
  ): void;
  rmsNorm(
    m: number,
    d: number,
    eps: number,
    x: Float32Array,
    weight: Float32Array,
    y: Float32Array,
    invRms: Float32Array,
  ): void;
  rmsNormBackward(
    m: number,
    d: number,
    dy: Float32Array,
    x: Float32Array,
    weight: Float32Array,
    invRms: Float32Array,
    dx: Float32Array,
    dweight: Float32Array | null,
  ): void;
  rope(
    m: number,
    heads: number,
    headDim: number,
    inverse: boolean,
    x: Float32Array,
    positions: Int32Array,
    cos: Float32Array,
    sin: Float32Array,
  ): void;
  attention(
    heads: number,
    kvHeads: number,
    headDim: number,
    scale: number,
    cuQ: Int32Array,
    cuK: Int32Array,
    q: Float32Array,
    k: Float32Array,
    v: Float32Array,
    out: Float32Array,
    lse: Float32Array,
  ): void;
  attentionBackward(
    heads: number,
    kvHeads: number,
    headDim: number,
    scale: number,
    cuQ: Int32Array,
    cuK: Int32Array,
    dout: Float32Array,
    q: Float32Array,
    k: Float32Array,
    v: Float32Array,
    out: Float32Array,
    lse: Float32Array,
    dq: Float32Array,
    dk: Float32Array,
    dv: Float32Array,
  ): void;
  swiglu(n: number, gate: Float32Array, up: Float32Array, y: Float32Array): void;
  swigluBackward(
    n: number,
    dy: Float32Array,
    gate: Float32Array,
    up: Float32Array,
    dgate: Float32Array,
    dup: Float32Array,
  ): void;
  crossEntropy(
    m: number,
    v: number,
    scale: number,
    gradient: boolean,
    logits: Float32Array,
    labels: Int32Array,
    losses: Float32Array,
  ): void;
  embedding(m: number, d: number, vocab: number, ids: Int32Array, table: Weights, y: Float32Array): void;
  embeddingBackward(m: number, d: number, vocab: number, ids: Int32Array, dy: Float32Array, dtable: Float32Array): void;
  add(n: number, x: Float32Array, y: Float32Array): void;
  scale(n: number, a: number, x: Float32Array): void;
  sumSquares(n: number, x: Float32Array): number;
  dropout(
    n: number,
    p: number,
    seedHigh: number,
    seedLow: number,
    offset: number,
    accumulate: boolean,
    x: Float32Array,
    y: Float32Array,
  ): void;
  toBf16(n: number, x: Float32Array, y: Uint16Array): void;
  fromBf16(n: number, x: Uint16Array, y: Float32Array): void;
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
