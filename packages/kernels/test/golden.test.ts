// Every operation on every instruction set, and the reference, against PyTorch and transformers
// (conformance/kernels_golden.py).
import { afterAll, describe, expect, test } from "vitest";
import * as kernels from "../src/index.js";
import * as reference from "../src/reference.js";
import { expectClose, FEW_ROUNDINGS, FLOAT32_SUMS, f32, golden } from "./compare.js";
import { checkAttention, checkBf16, checkCrossEntropy, checkEmbedding, checkRmsNorm } from "./golden_checks.js";

const best = kernels.simd();
afterAll(() => kernels.setSimd(best));

describe.each([...kernels.simds(), "reference"])("%s", (simd) => {
  const k = simd === "reference" ? { ...kernels, ...reference } : kernels;
  const each = (name: string, check: (c: ReturnType<typeof golden>[number]) => void) =>
    test(name, () => {
      if (simd !== "reference") kernels.setSimd(simd);
      for (const c of golden(name)) check(c);
    });

  each("rms_norm", (c) => checkRmsNorm(k, c));

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

  each("attention", (c) => checkAttention(k, c, FLOAT32_SUMS));

  each("swiglu", ({ n, ...c }) => {
    const [y, dgate, dup] = [new Float32Array(n), new Float32Array(n), new Float32Array(n)];
    k.swiglu(f32(c.gate), f32(c.up), y, { n });
    expectClose(y, c.y, FEW_ROUNDINGS);
    k.swigluBackward(f32(c.dy), f32(c.gate), f32(c.up), dgate, dup, { n });
    expectClose(dgate, c.dgate, FEW_ROUNDINGS);
    expectClose(dup, c.dup, FEW_ROUNDINGS);
  });

  each("cross_entropy", (c) => checkCrossEntropy(k, c, FEW_ROUNDINGS));

  each("embedding", (c) => checkEmbedding(k, c));

  each("bf16", (c) => checkBf16(k, c));
});
