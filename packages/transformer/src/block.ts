// One decoder block, forward and backward side by side.
//
//   n1 = rmsNorm(h)      q, k, v = n1·Wqᵀ, n1·Wkᵀ, n1·Wvᵀ      q, k rotated (RoPE)
//   a  = attention(q, k, v)                                    h2 = h + a·Woᵀ
//   n2 = rmsNorm(h2)     s = silu(n2·Wgateᵀ) ⊙ (n2·Wupᵀ)       out = h2 + s·Wdownᵀ
//
// Every product also carries its adapter, if it has one (see linear.ts). Names of the kept activations are the ones above.
import * as kernels from "@qlora/kernels";
import type { LayerCache } from "./cache.js";
import type { DeviceArray, Floats, Ints } from "./device.js";
import { type DropoutAt, noDropout, project, projectBackward } from "./linear.js";
import type { Layer, Model, Norm } from "./model.js";
import { arithmetic } from "./weight.js";
import type { Workspace } from "./workspace.js";

/** Where the tokens of a forward pass sit. */
export interface Layout {
  tokens: number;
  positions: Ints;
  /** Borders of the sequences among the queries and among the keys; equal except when decoding with a cache. */
  cuQ: Ints;
  cuK: Ints;
}

export interface BlockOptions {
  /** Kept activations of this block (`keep`) and scratch that dies with the call (`scratch`). */
  keep: Workspace;
  scratch: Workspace;
  dropout?: DropoutAt;
  cache?: LayerCache;
}

/**
 * out [t, hidden] = block(h [t, hidden]). `out` may be `h`. With `out` null the last product is left out: that is the
 * recomputation before `blockBackward`, which needs everything but the output.
 */
export function blockForward(
  model: Model,
  layer: Layer,
  h: Floats,
  out: Floats | null,
  layout: Layout,
  options: BlockOptions,
): void {
  const { keep, scratch, dropout = noDropout, cache } = options;
  const { config } = model;
  const compute = arithmetic(model.compute, out ? "forward" : "recompute");
  const { hiddenSize: d, intermediateSize: f, heads, kvHeads, headDim } = config;
  const t = layout.tokens;
  const [qWidth, kvWidth] = [heads * headDim, kvHeads * headDim];

  const n1 = normForward(layer.inputNorm, h, "n1", t, config.normEps, keep);
  const q = keep.activations("q", t * qWidth);
  const [k, v] = cache ? cache.next(t) : [keep.activations("k", t * kvWidth), keep.activations("v", t * kvWidth)];
  project({
    x: n1,
    linears: [layer.q, layer.k, layer.v],
    outputs: [q, k, v],
    tokens: t,
    site: 0,
    compute,
    dropout,
    keep,
    scratch,
  });
  kernels.rope(q, layout.positions, model.rope, { m: t, heads, headDim });
  kernels.rope(k, layout.positions, model.rope, { m: t, heads: kvHeads, headDim });
  const [keys, values] = cache ? cache.add(t, layout.positions) : [k, v];
  const a = keep.activations("a", t * qWidth);
  const scale = 1 / Math.sqrt(headDim);
  kernels.attention(q, keys, values, a, keep.f32("lse", heads * t), layout.cuQ, layout.cuK, {
    heads,
    kvHeads,
    headDim,
    scale,
    scratch: attentionParts(model, t, keys.length / kvWidth, scratch),
  });
  const h2 = keep.activations("h2", t * d);
  project({ x: a, linears: [layer.o], outputs: [h2], tokens: t, site: 1, compute, dropout, keep, scratch });
  kernels.add(h, h2, { n: t * d });

  const n2 = normForward(layer.postAttentionNorm, h2, "n2", t, config.normEps, keep);
  const gate = keep.activations("gate", t * f);
  const up = keep.activations("up", t * f);
  project({
    x: n2,
    linears: [layer.gate, layer.up],
    outputs: [gate, up],
    tokens: t,
    site: 2,
    compute,
    dropout,
    keep,
    scratch,
  });
  const s = keep.activations("s", t * f);
  kernels.swiglu(gate, up, s, { n: t * f });
  project({ x: s, linears: [layer.down], outputs: [out], tokens: t, site: 3, compute, dropout, keep, scratch });
  if (out) kernels.add(h2, out, { n: t * d });
}

/**
 * The block's backward pass: `gradient` [t, hidden] holds dL/dout on entry and dL/dh on return. `keep` is what
 * `blockForward` left for the same `h`, layout and dropout. Weight and adapter gradients are accumulated.
 */
export function blockBackward(
  model: Model,
  layer: Layer,
  h: Floats,
  gradient: Floats,
  layout: Layout,
  options: BlockOptions,
): void {
  const { keep, scratch, dropout = noDropout } = options;
  const { config } = model;
  const compute = arithmetic(model.compute, "backward");
  const { hiddenSize: d, intermediateSize: f, heads, kvHeads, headDim } = config;
  const t = layout.tokens;
  const [qWidth, kvWidth] = [heads * headDim, kvHeads * headDim];
  const shared = { tokens: t, compute, dropout, keep, scratch };

  const ds = scratch.activations("ds", t * f);
  projectBackward({
    x: keep.activations("s", t * f),
    linears: [layer.down],
    gradients: [gradient],
    dx: ds,
    site: 3,
    ...shared,
  });
  const [gate, up] = [keep.activations("gate", t * f), keep.activations("up", t * f)];
  kernels.swigluBackward(ds, gate, up, gate, up, { n: t * f }); // gate and up become their own gradients
  const dn = scratch.activations("dn", t * d);
  projectBackward({
    x: keep.activations("n2", t * d),
    linears: [layer.gate, layer.up],
    gradients: [gate, up],
    dx: dn,
    site: 2,
    ...shared,
  });
  normBackward(layer.postAttentionNorm, dn, keep.activations("h2", t * d), "n2", gradient, t, keep); // gradient is now dL/dh2

  const a = keep.activations("a", t * qWidth);
  const da = scratch.activations("da", t * qWidth);
  projectBackward({ x: a, linears: [layer.o], gradients: [gradient], dx: da, site: 1, ...shared });
  const [q, k, v] = [
    keep.activations("q", t * qWidth),
    keep.activations("k", t * kvWidth),
    keep.activations("v", t * kvWidth),
  ];
  const [dq, dk, dv] = [
    scratch.activations("dq", t * qWidth),
    scratch.activations("dk", t * kvWidth),
    scratch.activations("dv", t * kvWidth),
  ];
  const scale = 1 / Math.sqrt(headDim);
  kernels.attentionBackward(da, q, k, v, a, keep.f32("lse", heads * t), layout.cuQ, dq, dk, dv, {
    heads,
    kvHeads,
    headDim,
    scale,
  });
  kernels.rope(dq, layout.positions, model.rope, { m: t, heads, headDim, inverse: true });
  kernels.rope(dk, layout.positions, model.rope, { m: t, heads: kvHeads, headDim, inverse: true });
  projectBackward({
    x: keep.activations("n1", t * d),
    linears: [layer.q, layer.k, layer.v],
    gradients: [dq, dk, dv],
    dx: dn,
    site: 0,
    ...shared,
  });
  normBackward(layer.inputNorm, dn, h, "n1", gradient, t, keep);
}

/** Scratch on a device with which few queries keep it busy. */
function attentionParts({ config, device }: Model, queries: number, keys: number, scratch: Workspace) {
  const size = device === "cpu" ? 0 : kernels.attentionScratch({ ...config, queries, keys });
  return size > 0 ? (scratch.f32("attention parts", size) as DeviceArray) : null;
}

/** y = x / rms(x) ⊙ weight, kept under `name` with its 1/rms beside it. */
export function normForward(norm: Norm, x: Floats, name: string, m: number, eps: number, keep: Workspace): Floats {
  const d = norm.weight.length;
  const y = keep.activations(name, m * d);
  kernels.rmsNorm(x, norm.weight, y, keep.f32(`${name}.invRms`, m), { m, d, eps });
  return y;
}

/** dx += the norm's input gradient; the weight's too where it trains. */
export function normBackward(
  norm: Norm,
  dy: Floats,
  x: Floats,
  name: string,
  dx: Floats,
  m: number,
  keep: Workspace,
): void {
  const d = norm.weight.length;
  kernels.rmsNormBackward(dy, x, norm.weight, keep.f32(`${name}.invRms`, m), dx, norm.grad ?? null, { m, d });
}
