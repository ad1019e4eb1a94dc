// The operations on the emulated device against PyTorch and transformers (conformance/kernels_golden.py).
import { leaks } from "@qlora/cuda-runtime";
import { afterAll, describe, expect, test } from "vitest";
import { expectClose, FEW_ROUNDINGS, FLOAT32_SUMS, f32, golden, i32 } from "./compare.js";
import { BF16, DEVICE_EXP, onDevice, places } from "./device.js";

afterAll(() => expect(leaks()).toEqual([]));

/** q, k, v and dout are rounded to bf16 before: scores are off by 2^-9 of their terms, and what follows by as much again. */
const BF16_INPUTS = 4 * BF16;

describe.each([...new Set(places.map(({ device }) => device))])("%s", (device) => {
  const k = onDevice(device);
  const each = (name: string, check: (c: ReturnType<typeof golden>[number]) => void) =>
    test(name, () => golden(name).forEach(check));

  each("rms_norm", ({ m, d, eps, ...c }) => {
    const [y, invRms, dx, dweight] = [m * d, m, m * d, d].map((n) => new Float32Array(n));
    k.rmsNorm(f32(c.x), f32(c.weight), y!, invRms!, { m, d, eps });
    expectClose(y!, c.y, FEW_ROUNDINGS);
    expectClose(invRms!, c.invRms, FEW_ROUNDINGS);
    k.rmsNormBackward(f32(c.dy), f32(c.x), f32(c.weight), invRms!, dx!, dweight!, { m, d });
    // At m = d = 1 nearly all of dx cancels: what remains is of the order of eps.
    expectClose(dx!, c.dx, FLOAT32_SUMS, { terms: Math.abs(c.dy[0] * c.weight[0] * c.invRms[0]) });
    expectClose(dweight!, c.dweight, FLOAT32_SUMS);
  });

  each("rope", ({ m, heads, headDim, ...c }) => {
    const x = f32(c.x);
    const rows = Int32Array.from({ length: m }, (_, i) => i); // of the golden tables
    k.rope(x, rows, { cos: f32(c.cos), sin: f32(c.sin) }, { m, heads, headDim });
    expectClose(x, c.y, FEW_ROUNDINGS);
    k.rope(x, rows, { cos: f32(c.cos), sin: f32(c.sin) }, { m, heads, headDim, inverse: true });
    expectClose(x, c.x, FEW_ROUNDINGS);
  });

  each("attention", (c) => {
    const { heads, kvHeads, headDim, scale } = c;
    if (headDim % 8 !== 0) return;
    const [q, keys, v, dout] = [f32(c.q), f32(c.k), f32(c.v), f32(c.dout)];
    const [cuQ, cuK] = [i32(c.cuQ), i32(c.cuK)];
    const options = { heads, kvHeads, headDim, scale };
    const [out, lse] = [new Float32Array(q.length), new Float32Array(c.lse.length)];
    k.attention(q, keys, v, out, lse, cuQ, cuK, options);
    expectClose(out, c.out, BF16_INPUTS);
    expectClose(lse, c.lse, BF16_INPUTS);
    const [dq, dk, dv] = [new Float32Array(q.length), new Float32Array(keys.length), new Float32Array(v.length)];
    k.attentionBackward(dout, q, keys, v, out, lse, cuQ, dq, dk, dv, { ...options, cuK });
    expectClose(dq, c.dq, BF16_INPUTS);
    expectClose(dk, c.dk, BF16_INPUTS);
    expectClose(dv, c.dv, BF16_INPUTS);
  });

  each("swiglu", ({ n, ...c }) => {
    const [y, gate, up] = [new Float32Array(n), f32(c.gate), f32(c.up)];
    k.swiglu(gate, up, y, { n });
    expectClose(y, c.y, DEVICE_EXP);
    k.swigluBackward(f32(c.dy), gate, up, gate, up, { n }); // in place
    expectClose(gate, c.dgate, DEVICE_EXP);
    expectClose(up, c.dup, DEVICE_EXP);
  });

  each("cross_entropy", ({ m, v, scale, ...c }) => {
    const [logits, losses] = [f32(c.logits), new Float32Array(m)];
    k.crossEntropy(logits, i32(c.labels), losses, { m, v, scale });
    expectClose(losses, c.losses, DEVICE_EXP);
    expectClose(logits, c.dlogits, DEVICE_EXP, { terms: scale });
  });

  each("embedding", ({ m, d, vocab, ...c }) => {
    const [y, dtable] = [new Float32Array(m * d), new Float32Array(vocab * d)];
    k.embedding(i32(c.ids), f32(c.table), y, { m, d, vocab });
    expect(y).toEqual(f32(c.y));
    k.embeddingBackward(i32(c.ids), f32(c.dy), dtable, { m, d, vocab });
    expectClose(dtable, c.dtable, FEW_ROUNDINGS);
  });

  each("bf16", (c) => {
    const x = new Float32Array(Uint32Array.from(c.bits).buffer);
    const [y, back] = [new Uint16Array(x.length), new Float32Array(x.length)];
    k.toBf16(x, y, { n: x.length });
    k.fromBf16(y, back, { n: x.length });
    c.bf16.forEach((bits: number, i: number) => {
      if (c.isNaN[i]) expect(back[i]).toBeNaN();
      else expect(y[i]).toBe(bits);
    });
  });
});
