// Attention in plain TypeScript, one row of scores at a time.
import type { AttentionOptions } from "./attention.js";
import type { Floats } from "./reference.js";

/** Calls `row` for each (segment, head, query) with where its values start, and how to find the keys that it sees. */
function attentionRows(
  cuQ: Int32Array,
  cuK: Int32Array,
  { heads, kvHeads, headDim }: AttentionOptions,
  row: (query: number, lse: number, keys: number, keyAt: (key: number) => number) => void,
): void {
  const tq = cuQ.at(-1)!;
  for (let segment = 0; segment + 1 < cuQ.length; segment++) {
    const shift = cuK[segment + 1]! - cuK[segment]! - (cuQ[segment + 1]! - cuQ[segment]!);
    for (let head = 0; head < heads; head++) {
      const kvHead = Math.floor((head * kvHeads) / heads);
      const keyAt = (key: number) => ((cuK[segment]! + key) * kvHeads + kvHead) * headDim;
      for (let token = cuQ[segment]!; token < cuQ[segment + 1]!; token++) {
        const keys = Math.max(0, token - cuQ[segment]! + 1 + shift);
        row((token * heads + head) * headDim, head * tq + token, keys, keyAt);
      }
    }
  }
}

function dot(a: Floats, at: number, b: Floats, bt: number, n: number): number {
  let sum = 0;
  for (let i = 0; i < n; i++) sum += a[at + i]! * b[bt + i]!;
  return sum;
}

export function attention(
  q: Floats,
  k: Floats,
  v: Floats,
  out: Floats,
  lse: Floats,
  cuQ: Int32Array,
  cuK: Int32Array,
  options: AttentionOptions,
): void {
  const { headDim: d, scale } = options;
  attentionRows(cuQ, cuK, options, (query, row, keys, keyAt) => {
    const scores = Float64Array.from({ length: keys }, (_, key) => scale * dot(q, query, k, keyAt(key), d));
    const top = scores.reduce((a, b) => Math.max(a, b), -Infinity);
    const weights = scores.map((score) => Math.exp(score - top));
    const sum = weights.reduce((a, b) => a + b, 0);
    lse[row] = top + Math.log(sum);
    for (let i = 0; i < d; i++) {
      let total = 0;
      for (let key = 0; key < keys; key++) total += weights[key]! * v[keyAt(key) + i]!;
      out[query + i] = keys === 0 ? 0 : total / sum;
    }
  });
}

export function attentionBackward(
  dout: Floats,
  q: Floats,
  k: Floats,
  v: Floats,
  out: Floats,
  lse: Floats,
  cu: Int32Array,
  dq: Floats,
  dk: Floats,
  dv: Floats,
  options: AttentionOptions & { cuK?: Int32Array | undefined },
): void {
  const { headDim: d, scale, heads, kvHeads, cuK = cu } = options;
  dq.fill(0, 0, cu.at(-1)! * heads * d);
  const sums = { k: new Float64Array(cuK.at(-1)! * kvHeads * d), v: new Float64Array(cuK.at(-1)! * kvHeads * d) };
  attentionRows(cu, cuK, options, (query, row, keys, keyAt) => {
    const delta = dot(dout, query, out, query, d);
    const gradient = new Float64Array(d);
    for (let key = 0; key < keys; key++) {
      const at = keyAt(key);
      const p = Math.exp(scale * dot(q, query, k, at, d) - lse[row]!);
      const ds = scale * p * (dot(dout, query, v, at, d) - delta);
      for (let i = 0; i < d; i++) {
        sums.v[at + i]! += p * dout[query + i]!;
        sums.k[at + i]! += ds * q[query + i]!;
        gradient[i]! += ds * k[at + i]!;
      }
    }
    dq.set(gradient, query);
  });
  dk.set(sums.k);
  dv.set(sums.v);
}
