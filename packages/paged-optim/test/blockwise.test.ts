// 8-bit blockwise states: the maps are bitsandbytes', codes are the nearest, errors within its own tests' bounds.
import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { encodeNearest } from "../src/dynamic-map.js";
import { native, setSimd, simds } from "../src/native.js";
import * as reference from "../src/reference.js";
import { noise, normal } from "./inputs.js";

const values = (signed: boolean, from: Pick<typeof native, "dynamicMap"> = native) => {
  const map = new Float32Array(256);
  from.dynamicMap(signed, map);
  return map;
};

test.each([
  // SHA-256 of create_dynamic_map(signed), 256 f32 little-endian, of bitsandbytes 0.50
  [true, "e732639a65f497b4ad684bb166a4467708255edd5207757de8b8f0c7e1fda89c"],
  [false, "305f002cc11278fb769d13b25b9fd0c7c83c8402c40a878fe086f4039fde6398"],
])("the map is bitsandbytes' to the bit (signed: %s)", (signed, sha256) => {
  for (const source of [native, reference]) {
    const map = values(signed, source);
    expect(createHash("sha256").update(new Uint8Array(map.buffer)).digest("hex")).toBe(sha256);
    expect(map).toEqual(map.slice().sort());
  }
});

/** Neighbours in f32. */
function nudge(x: number, ulps: number): number {
  const f = Float32Array.of(x);
  new Int32Array(f.buffer)[0]! += ulps;
  return f[0]!;
}

function roundTrip(x: Float32Array, signed: boolean) {
  const codes = new Uint8Array(x.length);
  const absmax = new Float32Array(Math.ceil(x.length / 256));
  const y = new Float32Array(x.length);
  native.encode(x, signed, codes, absmax);
  native.decode(codes, absmax, signed, y);
  return { codes, absmax, y };
}

describe.each(simds())("%s", (simd) => {
  test("codes are the nearest, at every midpoint and its neighbours and all over", () => {
    setSimd(simd);
    for (const signed of [true, false]) {
      const map = [...values(signed)];
      const exact = map.slice(1).map((v, i) => Math.fround((v + map[i]!) / 2));
      const around = exact.flatMap((m) => [-2, -1, 0, 1, 2].map((ulps) => nudge(m, ulps)));
      const inputs = [...map, ...around, ...noise(1, 20000).map((x) => (signed ? 2 * x : x + 0.5))]
        .concat([...noise(2, 20000)].map((x) => (signed ? Math.sign(x) : 1) * 10 ** (-16 * Math.abs(x))))
        .filter((x) => Math.abs(x) <= 1);
      for (let at = 0; at < inputs.length; at += 255) {
        const x = Float32Array.from([1, ...inputs.slice(at, at + 255)]); // 1: so that absmax is 1
        const { codes } = roundTrip(x, signed);
        for (let i = 0; i < x.length; ++i)
          if (codes[i] !== encodeNearest(x[i]!, signed))
            expect.fail(`code of ${x[i]} is ${codes[i]}, nearest is ${encodeNearest(x[i]!, signed)}`);
      }
    }
  });

  test("bounds of bitsandbytes' test_dynamic_blockwise_quantization", () => {
    setSimd(simd);
    const error = (x: Float32Array, signed: boolean) => {
      const { y } = roundTrip(x, signed);
      const differences = x.map((v, i) => Math.abs(v - y[i]!));
      const mean = (a: Float32Array) => a.reduce((sum, v) => sum + v, 0) / a.length;
      return { absolute: mean(differences), relative: mean(differences.map((d, i) => d / (Math.abs(x[i]!) + 1e-8))) };
    };
    fc.assert(
      fc.property(fc.nat(1e6), (stream) => {
        const gaussian = error(normal(stream, 1 << 16), true);
        expect(gaussian.absolute).toBeLessThan(0.011);
        expect(gaussian.relative).toBeLessThan(0.018);
        const uniform = noise(stream, 1 << 16).map((x) => x + 0.5);
        const signed = error(uniform, true);
        expect(signed.absolute).toBeLessThan(0.0036);
        expect(signed.relative).toBeLessThan(0.015);
        const unsigned = error(uniform, false);
        expect(unsigned.absolute).toBeLessThan(0.0023);
        expect(unsigned.relative).toBeLessThan(0.012);
      }),
      { numRuns: 5 },
    );
  });

  test("what decodes encodes to the same codes; an absmax is kept exactly", () => {
    setSimd(simd);
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 700 }),
        fc.nat(1e6),
        fc.boolean(),
        fc.integer({ min: -30, max: 30 }),
        (n, stream, signed, exponent) => {
          const x = normal(stream, n).map((v) => (signed ? v : v * v) * 2 ** exponent);
          const first = roundTrip(x, signed);
          for (let b = 0; b < first.absmax.length; ++b)
            expect(first.absmax[b]).toBe(Math.max(...x.subarray(b * 256, b * 256 + 256).map(Math.abs)));
          const again = roundTrip(first.y, signed);
          // Only a block whose largest is negative shrinks: the signed map has no −1.
          for (let i = 0; i < n; ++i)
            if (again.absmax[i >> 8] === first.absmax[i >> 8]) expect(again.codes[i]).toBe(first.codes[i]);
        },
      ),
      { numRuns: 50 },
    );
  });

  test("zeros, subnormals, the largest and infinite values stay finite and in order", () => {
    setSimd(simd);
    for (const signed of [true, false]) {
      const zero = roundTrip(new Float32Array(300), signed);
      expect([...zero.y].every((v) => v === 0)).toBe(true);
      expect([...zero.absmax]).toEqual([0, 0]);
      const tiny = roundTrip(new Float32Array(300).fill(1e-40), signed);
      expect([...tiny.y].every((v) => v === 0)).toBe(true);
      const smallest = roundTrip(new Float32Array(300).fill(1.1754943508222875e-38), signed);
      expect(smallest.y[0]).toBe(1.1754943508222875e-38);
      const huge = Float32Array.of(3.4028234663852886e38, 1e38, 0);
      const { y } = roundTrip(huge, signed);
      expect(y[0]).toBe(huge[0]);
      expect(Math.abs(y[1]! / 1e38 - 1)).toBeLessThan(0.02);
      const infinite = roundTrip(Float32Array.of(Number.POSITIVE_INFINITY, 1e38, Number.NaN, 0), signed);
      expect(infinite.y[0]).toBe(3.4028234663852886e38);
      expect([...infinite.y].every(Number.isFinite)).toBe(true);
      expect(infinite.y[3]).toBe(0);
    }
  });

  test("as the reference", () => {
    setSimd(simd);
    for (const signed of [true, false])
      for (const n of [0, 1, 5, 63, 64, 65, 255, 256, 257, 1000]) {
        const x = normal(n, n).map((v) => (signed ? v : v * v));
        const ours = roundTrip(x, signed);
        const codes = new Uint8Array(n);
        const absmax = new Float32Array(Math.ceil(n / 256));
        reference.encode(x, signed, codes, absmax);
        const y = new Float32Array(n);
        reference.decode(codes, absmax, signed, y);
        expect(ours).toEqual({ codes, absmax, y });
      }
  });
});
