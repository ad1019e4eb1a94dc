// What PyTorch says of an operation, asked of any implementation of it: the CPU's and a device's.
import { expect } from "vitest";
import type * as kernels from "../src/index.js";
import type * as reference from "../src/reference.js";
import { expectClose, FEW_ROUNDINGS, FLOAT32_SUMS, f32, type golden, i32 } from "./compare.js";

type Case = ReturnType<typeof golden>[number];
type Implementation = typeof kernels | typeof reference;

export function checkRmsNorm(k: Implementation, { m, d, eps, ...c }: Case): void {
  const [y, invRms, dx, dweight] = [m * d, m, m * d, d].map((n) => new Float32Array(n));
  k.rmsNorm(f32(c.x), f32(c.weight), y!, invRms!, { m, d, eps });
  expectClose(y!, c.y, FEW_ROUNDINGS);
  expectClose(invRms!, c.invRms, FEW_ROUNDINGS);
  k.rmsNormBackward(f32(c.dy), f32(c.x), f32(c.weight), invRms!, dx!, dweight!, { m, d });
  // At m = d = 1 nearly all of dx cancels: what remains is of the order of eps.
  expectClose(dx!, c.dx, FLOAT32_SUMS, { terms: Math.abs(c.dy[0] * c.weight[0] * c.invRms[0]) });
  expectClose(dweight!, c.dweight, FLOAT32_SUMS);
}

export function checkAttention(
  k: Implementation,
  { heads, kvHeads, headDim, scale, ...c }: Case,
  tolerance: number,
): void {
  const [q, keys, v, dout] = [f32(c.q), f32(c.k), f32(c.v), f32(c.dout)];
  const [cuQ, cuK] = [i32(c.cuQ), i32(c.cuK)];
  const options = { heads, kvHeads, headDim, scale };
  const [out, lse] = [new Float32Array(q.length), new Float32Array(c.lse.length)];
  k.attention(q, keys, v, out, lse, cuQ, cuK, options);
  expectClose(out, c.out, tolerance);
  expectClose(lse, c.lse, tolerance);
  const [dq, dk, dv] = [new Float32Array(q.length), new Float32Array(keys.length), new Float32Array(v.length)];
  k.attentionBackward(dout, q, keys, v, out, lse, cuQ, dq, dk, dv, { ...options, cuK });
  expectClose(dq, c.dq, tolerance);
  expectClose(dk, c.dk, tolerance);
  expectClose(dv, c.dv, tolerance);
}

export function checkCrossEntropy(k: Implementation, { m, v, scale, ...c }: Case, tolerance: number): void {
  const [logits, losses] = [f32(c.logits), new Float32Array(m)];
  k.crossEntropy(logits, i32(c.labels), losses, { m, v, scale });
  expectClose(losses, c.losses, tolerance);
  expectClose(logits, c.dlogits, tolerance, { terms: scale });
}

export function checkEmbedding(k: Implementation, { m, d, vocab, ...c }: Case): void {
  const [y, dtable] = [new Float32Array(m * d), new Float32Array(vocab * d)];
  k.embedding(i32(c.ids), f32(c.table), y, { m, d, vocab });
  expect(y).toEqual(f32(c.y));
  k.embeddingBackward(i32(c.ids), f32(c.dy), dtable, { m, d, vocab });
  expectClose(dtable, c.dtable, FEW_ROUNDINGS);
}

export function checkBf16(k: Implementation, c: Case): void {
  const x = new Float32Array(Uint32Array.from(c.bits).buffer);
  const [y, back] = [new Uint16Array(x.length), new Float32Array(x.length)];
  k.toBf16(x, y, { n: x.length });
  k.fromBf16(y, back, { n: x.length });
  c.bf16.forEach((bits: number, i: number) => {
    if (c.isNaN[i]) expect(back[i]).toBeNaN();
    else expect(y[i]).toBe(bits);
  });
}
