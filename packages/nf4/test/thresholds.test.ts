// Codes at and around every threshold, against the rule stated anew: of the nearest level, a midpoint belongs to the lower.
import { afterAll, describe, expect, test } from "vitest";
import { codebookNames, levels, quantize, setSimd, simd, simds, type Weights } from "../src/index.js";

const chosen = simd();
afterAll(() => setSimd(chosen));

const float = new Float32Array(1);
const word = new Uint32Array(float.buffer);
/** The f32 that lies `steps` after x. */
function next(x: number, steps: number): number {
  float[0] = x;
  const ordered = word[0]! & 0x80000000 ? 0x80000000 - word[0]! : word[0]!;
  const moved = ordered + steps;
  word[0] = moved < 0 ? 0x80000000 - moved : moved;
  return float[0]!;
}

const sorted = (name: string) => [...levels(name as "nf4")].sort((a, b) => a - b);
const thresholds = (name: string) =>
  sorted(name)
    .slice(1)
    .map((level, j) => Math.fround((level + sorted(name)[j]!) / 2));

/** The value that v must decode to: the level above the last threshold that v exceeds. */
function nearest(name: string, v: number): number {
  return sorted(name)[thresholds(name).filter((threshold) => v > threshold).length]!;
}

/** Values ≤ 1 in magnitude, each block of 64 led by 1 so that the scale is 1 and v = x exactly. */
function blocksOf(values: number[]): Float32Array {
  const x: number[] = [];
  for (let i = 0; i < values.length; i += 63)
    x.push(1, ...values.slice(i, i + 63), ...Array(Math.max(0, i + 63 - values.length)).fill(0));
  return Float32Array.from(x);
}

function decode(x: Weights, codebook: string, blockSize: number, dtype?: "bf16" | "f16"): number[] {
  const q = quantize(x, { shape: [x.length], codebook: codebook as "nf4", blockSize, doubleQuant: false, dtype });
  expect(q.absmax!.every((scale) => scale === 1)).toBe(true);
  return Array.from(x, (_, i) => levels(codebook as "nf4")[i % 2 ? q.codes[i >> 1]! & 15 : q.codes[i >> 1]! >> 4]!);
}

test("NF4's thresholds are bitsandbytes' constants", () => {
  const constants = [
    -0.8480964004993439, -0.6106329262256622, -0.4599952697753906, -0.33967943489551544, -0.23460740596055984,
    -0.13791173323988914, -0.045525018125772476, 0.03979014977812767, 0.1202552504837513, 0.2035212516784668,
    0.2920137718319893, 0.3893125355243683, 0.5016634166240692, 0.6427869200706482, 0.8614784181118011,
  ];
  expect(thresholds("nf4")).toEqual(constants.map(Math.fround));
});

describe.each(simds())("%s", (name) => {
  test.each(codebookNames)("%s: every threshold and its float neighbours, f32", (codebook) => {
    setSimd(name);
    const values = thresholds(codebook).flatMap((t) => [-2, -1, 0, 1, 2].map((steps) => next(t, steps)));
    for (const x of [blocksOf(values), blocksOf(values.toReversed())])
      expect(decode(x, codebook, 64)).toEqual(Array.from(x, (v) => nearest(codebook, v)));
    const codes = (v: number) => decode(blocksOf([v]), codebook, 64)[1];
    for (const [j, t] of thresholds(codebook).entries()) {
      expect(codes(t)).toBe(sorted(codebook)[j]);
      expect(codes(next(t, 1))).toBe(sorted(codebook)[j + 1]);
    }
  });

  test.each(codebookNames)("%s: every bf16 and every f16 word from -1 to 1", (codebook) => {
    setSimd(name);
    const one = { bf16: 0x3f80, f16: 0x3c00 };
    for (const dtype of ["bf16", "f16"] as const) {
      const x = new Uint16Array(2 * one[dtype] + 2);
      for (let i = 0; i <= one[dtype]; i++) [x[2 * i], x[2 * i + 1]] = [i, 0x8000 | i];
      // 1 leads every block
      const led = new Uint16Array(Math.ceil(x.length / 63) * 64);
      for (let i = 0; i * 63 < x.length; i++) {
        led[64 * i] = one[dtype];
        led.set(x.subarray(63 * i, 63 * i + 63), 64 * i + 1);
      }
      const value = (h: number) => {
        if (dtype === "f16") {
          const exponent = (h >> 10) & 31;
          const magnitude = exponent ? (1 + (h & 1023) / 1024) * 2 ** (exponent - 15) : (h & 1023) * 2 ** -24;
          return h & 0x8000 ? -magnitude : magnitude;
        }
        word[0] = h << 16;
        return float[0]!;
      };
      const bounds = thresholds(codebook);
      const order = sorted(codebook);
      const expected = Array.from(led, (h) => {
        const v = value(h);
        return order[bounds.filter((bound) => v > bound).length]!;
      });
      expect(decode(led, codebook, 64, dtype)).toEqual(expected);
    }
  });
});
