// Causal attention over packed segments, and its backward.
import { type DeviceArray, type Floats, type Ints, operations } from "./cuda.js";

export interface AttentionOptions {
  /** Query heads. */
  heads: number;
  /** Key and value heads; divides `heads`, query head h reads key head ⌊h · kvHeads / heads⌋. */
  kvHeads: number;
  headDim: number;
  /** Of the scores before the softmax; usually `1 / √headDim`. */
  scale: number;
}

/** Keys that one part of a divided call has at the least. */
const KEYS_PER_PART = 256;
/** Blocks that keep a GPU busy: two for each of an H100's 132 multiprocessors. */
const BLOCKS = 264;

/**
 * Floats of scratch with which {@link attention} on a device divides the keys of few queries among enough blocks; 0 where
 * the queries are enough by themselves.
 */
export function attentionScratch({
  queries,
  keys,
  heads,
  kvHeads,
  headDim,
}: Pick<AttentionOptions, "heads" | "kvHeads" | "headDim"> & { queries: number; keys: number }): number {
  const blocks = Math.max(1, Math.ceil((queries * heads) / kvHeads / 64)) * kvHeads;
  const parts = Math.min(Math.floor(BLOCKS / blocks), Math.ceil(keys / KEYS_PER_PART));
  return parts > 1 ? parts * queries * heads * (headDim + 1) : 0;
}

/**
 * `out = softmax(scale · q·kᵀ, causal) · v` for each head of each segment, in memory linear in the tokens (arXiv
 * 2205.14135).
 *
 * Segment i has queries `cuQ[i] … cuQ[i+1] - 1` and keys `cuK[i] … cuK[i+1] - 1`. They are aligned at the end: query j
 * of `nq` sees keys 0 … j + nk − nq of `nk` (as flash-attention's varlen functions), so the same call serves training
 * (equal), packing (several) and generation with a cache (few queries, many keys). A query that sees no key gives zeros
 * and an lse of −∞.
 *
 * On a device q, k, v and out are bf16, on 16-byte boundaries; `headDim` is a multiple of 8 up to 256 and `scale` above 0.
 * The borders are read there, unchecked.
 * @param q `[tq, heads, headDim]` @param k `[tk, kvHeads, headDim]` @param v like `k` @param out like `q`
 * @param lse `[heads, tq]` logarithm of the sum of e^score, kept for the backward
 * @param cuQ `[segments + 1]`, starts at 0 and does not fall @param cuK likewise
 * @param options.scratch f32 on the device, {@link attentionScratch} elements of it; without, long caches are slower
 */
export function attention(
  q: Floats,
  k: Floats,
  v: Floats,
  out: Floats,
  lse: Floats,
  cuQ: Ints,
  cuK: Ints,
  { heads, kvHeads, headDim, scale, scratch = null }: AttentionOptions & { scratch?: DeviceArray | null },
): void {
  operations(q).attention(heads, kvHeads, headDim, scale, cuQ, cuK, q, k, v, out, lse, ...(scratch ? [scratch] : []));
}

/**
 * The gradients of {@link attention} by q, k and v; scores are computed again, tile by tile.
 * @param dout like `out` @param out @param lse of the forward @param cu `[segments + 1]`, of the queries and of the
 * keys
 * @param dq like `q` @param dk like `k` @param dv like `v`, all overwritten
 * @param options.cuK of the keys, where they are not as many as the queries
 */
export function attentionBackward(
  dout: Floats,
  q: Floats,
  k: Floats,
  v: Floats,
  out: Floats,
  lse: Floats,
  cu: Ints,
  dq: Floats,
  dk: Floats,
  dv: Floats,
  { heads, kvHeads, headDim, scale, cuK = cu }: AttentionOptions & { cuK?: Ints | undefined },
): void {
  operations(dout).attentionBackward(heads, kvHeads, headDim, scale, cu, cuK, dout, q, k, v, out, lse, dq, dk, dv);
}
