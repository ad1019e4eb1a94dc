// Causal attention over packed segments, and its backward.
import { native } from "./native.js";

export interface AttentionOptions {
  /** Query heads. */
  heads: number;
  /** Key and value heads; divides `heads`, query head h reads key head ⌊h · kvHeads / heads⌋. */
  kvHeads: number;
  headDim: number;
  /** Of the scores before the softmax; usually `1 / √headDim`. */
  scale: number;
}

/**
 * `out = softmax(scale · q·kᵀ, causal) · v` for each head of each segment, in memory linear in the tokens (arXiv
 * 2205.14135).
 *
 * Segment i has queries `cuQ[i] … cuQ[i+1] - 1` and keys `cuK[i] … cuK[i+1] - 1`. They are aligned at the end: query j
 * of `nq` sees keys 0 … j + nk − nq of `nk` (as flash-attention's varlen functions), so the same call serves training
 * (equal), packing (several) and generation with a cache (few queries, many keys). A query that sees no key gives zeros
 * and an lse of −∞.
 * @param q `[tq, heads, headDim]` @param k `[tk, kvHeads, headDim]` @param v like `k` @param out like `q`
 * @param lse `[heads, tq]` logarithm of the sum of e^score, kept for the backward
 * @param cuQ `[segments + 1]`, starts at 0 and does not fall @param cuK likewise
 */
export function attention(
  q: Float32Array,
  k: Float32Array,
  v: Float32Array,
  out: Float32Array,
  lse: Float32Array,
  cuQ: Int32Array,
  cuK: Int32Array,
  { heads, kvHeads, headDim, scale }: AttentionOptions,
): void {
  native.attention(heads, kvHeads, headDim, scale, cuQ, cuK, q, k, v, out, lse);
}

/**
 * The gradients of {@link attention} by q, k and v; scores are computed again, tile by tile.
 * @param dout like `out` @param out @param lse of the forward @param cu `[segments + 1]`, of the queries and of the
 * keys
 * @param dq like `q` @param dk like `k` @param dv like `v`, all overwritten
 * @param options.cuK of the keys, where they are not as many as the queries
 */
export function attentionBackward(
  dout: Float32Array,
  q: Float32Array,
  k: Float32Array,
  v: Float32Array,
  out: Float32Array,
  lse: Float32Array,
  cu: Int32Array,
  dq: Float32Array,
  dk: Float32Array,
  dv: Float32Array,
  { heads, kvHeads, headDim, scale, cuK = cu }: AttentionOptions & { cuK?: Int32Array | undefined },
): void {
  native.attentionBackward(heads, kvHeads, headDim, scale, cu, cuK, dout, q, k, v, out, lse, dq, dk, dv);
}
