// Every operation on every instruction set, and the reference, against PyTorch and transformers
// (conformance/kernels_golden.py).
import { afterAll, describe, expect, test } from "vitest";
import * as kernels from "../src/index.js";
import * as reference from "../src/reference.js";
import { expectClose, FEW_ROUNDINGS, FLOAT32_SUMS, f32, golden, i32 } from "./compare.js";

const best = kernels.simd();
afterAll(() => kernels.setSimd(best));

describe.each([...kernels.simds(), "reference"])("%s", (simd) => {
  const k = simd === "reference" ? { ...kernels, ...reference } : kernels;
  const each = (name: string, check: (c: ReturnType<typeof golden>[number]) => void) =>
    test(name, () => {
      if (simd !== "reference") kernels.setSimd(simd);
      for (const c of golden(name)) check(c);
    });

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

  each("rope", ({ m, heads, headDim, theta, scaling, ...c }) => {
    const camel = scaling && {
      type: scaling.rope_type,
      factor: scaling.factor,
      lowFreqFactor: scaling.low_freq_factor,
      highFreqFactor: scaling.high_freq_factor,
      originalMaxPositions: scaling.original_max_position_embeddings,
    };
    const options = { headDim, theta, scaling: camel ?? undefined };
    const frequencies = kernels.ropeFrequencies(options);
    c.frequencies.forEach((expected: number, i: number) => {
      // torch's float32 power may differ by a unit in the last place, and the angle by that times the position
      expect(Math.abs(frequencies[i]! / expected - 1)).toBeLessThan(3e-7);
    });
    const tables = kernels.ropeTables({ ...options, positions: 301 });
    c.positions.forEach((position: number, row: number) => {
      const [begin, end] = [(position * headDim) / 2, ((position + 1) * headDim) / 2];
      const tolerance = FEW_ROUNDINGS + position * 3e-7;
      expectClose(
        tables.cos.subarray(begin, end),
        c.cos.slice((row * headDim) / 2, ((row + 1) * headDim) / 2),
        tolerance,
      );
      expectClose(
        tables.sin.subarray(begin, end),
        c.sin.slice((row * headDim) / 2, ((row + 1) * headDim) / 2),
        tolerance,
      );
    });
    const x = f32(c.x);
    // with the golden tables, so that only the rotation is compared
    k.rope(
      x,
      Int32Array.from({ length: m }, (_, i) => i),
      { cos: f32(c.cos), sin: f32(c.sin) },
      { m, heads, headDim },
    );
    expectClose(x, c.y, FEW_ROUNDINGS);
  });

  each("attention", (c) => {
    const [q, keys, v, dout] = [f32(c.q), f32(c.k), f32(c.v), f32(c.dout)];
    const [cuQ, cuK] = [i32(c.cuQ), i32(c.cuK)];
    const { heads, kvHeads, headDim, scale } = c;
    const options = { heads, kvHeads, headDim, scale };
    const [out, lse] = [new Float32Array(q.length), new Float32Array(c.lse.length)];
    k.attention(q, keys, v, out, lse, cuQ, cuK, options);
    expectClose(out, c.out, FLOAT32_SUMS);
    expectClose(lse, c.lse, FLOAT32_SUMS);
    const [dq, dk, dv] = [new Float32Array(q.length), new Float32Array(keys.length), new Float32Array(v.length)];
    k.attentionBackward(dout, q, keys, v, out, lse, cuQ, dq, dk, dv, { ...options, cuK });
    expectClose(dq, c.dq, FLOAT32_SUMS);
    expectClose(dk, c.dk, FLOAT32_SUMS);
    expectClose(dv, c.dv, FLOAT32_SUMS);
  });

  each("swiglu", ({ n, ...c }) => {
    const [y, dgate, dup] = [new Float32Array(n), new Float32Array(n), new Float32Array(n)];
    k.swiglu(f32(c.gate), f32(c.up), y, { n });
    expectClose(y, c.y, FEW_ROUNDINGS);
    k.swigluBackward(f32(c.dy), f32(c.gate), f32(c.up), dgate, dup, { n });
    expectClose(dgate, c.dgate, FEW_ROUNDINGS);
    expectClose(dup, c.dup, FEW_ROUNDINGS);
  });

  each("cross_entropy", ({ m, v, scale, ...c }) => {
    const [logits, losses] = [f32(c.logits), new Float32Array(m)];
    k.crossEntropy(logits, i32(c.labels), losses, { m, v, scale });
    expectClose(losses, c.losses, FEW_ROUNDINGS);
    expectClose(logits, c.dlogits, FEW_ROUNDINGS, { terms: scale });
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
    const y = new Uint16Array(x.length);
    k.toBf16(x, y, { n: x.length });
    const back = new Float32Array(x.length);
    k.fromBf16(y, back, { n: x.length });
    c.bf16.forEach((bits: number, i: number) => {
      if (c.isNaN[i]) expect(back[i]).toBeNaN();
      else expect(y[i]).toBe(bits);
    });
  });
});
