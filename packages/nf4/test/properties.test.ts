// What holds for every input (fast-check).
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  bytes,
  type CodebookName,
  codebookNames,
  dequantize,
  levels,
  nest,
  type QuantizedTensor,
  quantize,
  unnest,
} from "../src/index.js";

const blockSizes = [32, 64, 128, 256, 512, 1024, 2048, 4096];
const blockSize = fc.constantFrom(...blockSizes);
const codebook = fc.constantFrom(...codebookNames);
/** Magnitudes that neither overflow nor lose bits when scaled by 2^±20. */
const weight = fc
  .tuple(fc.integer({ min: -(2 ** 24), max: 2 ** 24 }), fc.integer({ min: -40, max: 20 }))
  .map(([fraction, exponent]) => Math.fround(fraction * 2 ** exponent));
const weights = fc.oneof(
  fc.array(weight, { maxLength: 300 }),
  fc.array(fc.constantFrom(-1, -0.5, 0, 0.25, 1, 3), { maxLength: 300 }),
  fc.array(fc.float({ noNaN: true, noDefaultInfinity: true }), { maxLength: 100 }),
);
const tame = fc.oneof(
  fc.array(weight, { maxLength: 300 }),
  fc.array(fc.constantFrom(-1, 0, 0.25, 1, 3), { maxLength: 300 }),
);

const plain = (x: ArrayLike<number>, codebook: CodebookName = "nf4", blockSize = 64): QuantizedTensor =>
  quantize(Float32Array.from(x), { shape: [x.length], codebook, blockSize, doubleQuant: false });
const codesOf = (q: QuantizedTensor) =>
  Array.from({ length: q.shape[0]! }, (_, i) => (i % 2 ? q.codes[i >> 1]! & 15 : q.codes[i >> 1]! >> 4));
const symmetric: CodebookName[] = ["fp4", "e2m1", "int4"];

/** The farthest that any v in [-1, 1] is from its level: half the widest gap, or the distance from an end to the last level. */
function reach(name: CodebookName, blockSize: number): number {
  const values = [...levels(name, blockSize)].sort((a, b) => a - b);
  return Math.max(1 + values[0]!, 1 - values[15]!, ...values.slice(1).map((v, i) => (v - values[i]!) / 2));
}

test("every weight comes back within half the widest gap times its block's scale", () => {
  fc.assert(
    fc.property(weights, codebook, blockSize, (x, name, blockSize) => {
      const q = plain(x, name, blockSize);
      const y = dequantize(q);
      const bound = reach(name, blockSize);
      x.forEach((value, i) => {
        const scale = Math.abs(q.absmax![Math.floor(i / blockSize)]!);
        // f32 rounding of 1/s, of v and of the product: 4 ulp of the scale; and of the smallest scales, their own spacing
        expect(Math.abs(value - y[i]!)).toBeLessThanOrEqual(bound * scale + scale * 2 ** -21 + 2 ** -148);
      });
    }),
    { numRuns: 400 },
  );
});

test("what was decoded encodes to the same values, and nf4 to the same codes and scales", () => {
  fc.assert(
    fc.property(tame, codebook, blockSize, (x, name, blockSize) => {
      const q = plain(x, name, blockSize);
      const y = dequantize(q);
      const again = plain(y, name, blockSize);
      expect(dequantize(again)).toEqual(y);
      if (name === "nf4") expect(again).toEqual(q);
    }),
    { numRuns: 400 },
  );
});

test("scaling by a power of two scales the scales and keeps the codes", () => {
  fc.assert(
    fc.property(tame, codebook, blockSize, fc.integer({ min: -20, max: 20 }), (x, name, blockSize, k) => {
      const q = plain(x, name, blockSize);
      const scaled = plain(
        x.map((value) => value * 2 ** k),
        name,
        blockSize,
      );
      expect(scaled.codes).toEqual(q.codes);
      expect(scaled.absmax).toEqual(q.absmax!.map((s) => s * 2 ** k));
    }),
  );
});

test("negation keeps the scales; of symmetric codebooks it negates the values, but at thresholds", () => {
  fc.assert(
    fc.property(tame, codebook, blockSize, (x, name, blockSize) => {
      const q = plain(x, name, blockSize);
      const minus = plain(
        x.map((value) => -value),
        name,
        blockSize,
      );
      expect(minus.absmax!.map(Math.abs)).toEqual(q.absmax!.map(Math.abs));
      if (name === "bof4-s") {
        // The scale turns and the codes stay, unless a block's largest magnitude occurs with both signs.
        q.absmax!.forEach((scale, b) => {
          const block = x.slice(b * blockSize, (b + 1) * blockSize);
          if (block.includes(scale) && block.includes(-scale)) return;
          expect(minus.absmax![b]! + scale).toBe(0);
          const range: [number, number] = [b * blockSize, b * blockSize + block.length];
          expect(codesOf(minus).slice(...range)).toEqual(codesOf(q).slice(...range));
        });
      } else if (symmetric.includes(name)) {
        const values = [...levels(name)].sort((a, b) => a - b);
        const y = dequantize(q);
        const z = dequantize(minus);
        x.forEach((value, i) => {
          const v = Math.fround(value * Math.fround(1 / q.absmax![Math.floor(i / blockSize)]!));
          const tie = values.some(
            (level, j) => j > 0 && Math.abs(v) === Math.abs(Math.fround((level + values[j - 1]!) / 2)),
          );
          if (!tie) expect(z[i]! + y[i]!).toBe(0);
        });
      }
    }),
    { numRuns: 300 },
  );
});

test("the order of a block's weights does not matter to its scale, nor their neighbours to their codes", () => {
  fc.assert(
    fc.property(tame, codebook, blockSize, fc.integer(), (x, name, blockSize, seed) => {
      const order = x.map((_, i) => i);
      for (let b = 0; b < x.length; b += blockSize) {
        const slice = order
          .slice(b, b + blockSize)
          .sort((i, j) => Math.imul(i + 1, seed | 1) - Math.imul(j + 1, seed | 1));
        order.splice(b, slice.length, ...slice);
      }
      const q = plain(x, name, blockSize);
      const shuffled = plain(
        order.map((i) => x[i]!),
        name,
        blockSize,
      );
      expect(shuffled.absmax).toEqual(q.absmax);
      const codes = codesOf(q);
      expect(codesOf(shuffled)).toEqual(order.map((i) => codes[i]));
    }),
  );
});

test("blocks do not see each other", () => {
  fc.assert(
    fc.property(tame, codebook, blockSize, (x, name, blockSize) => {
      const q = plain(x, name, blockSize);
      for (let b = 0; b * blockSize < x.length; b++) {
        const alone = plain(x.slice(b * blockSize, (b + 1) * blockSize), name, blockSize);
        expect(alone.absmax![0]).toBe(q.absmax![b]);
        expect(alone.codes).toEqual(q.codes.slice((b * blockSize) / 2, (b * blockSize) / 2 + alone.codes.length));
      }
    }),
  );
});

test("codes and values are monotone within a block", () => {
  fc.assert(
    fc.property(weights, codebook, blockSize, (x, name, blockSize) => {
      const q = plain(x, name, blockSize);
      const codes = codesOf(q);
      const y = dequantize(q);
      const ascending = name !== "fp4" && name !== "e2m1";
      for (let b = 0; b < x.length; b += blockSize) {
        const order = x
          .map((_, i) => i)
          .slice(b, b + blockSize)
          .sort((i, j) => x[i]! - x[j]!);
        const sign = q.absmax![b / blockSize]! < 0 ? -1 : 1;
        order.slice(1).forEach((j, k) => {
          expect(y[j]!).toBeGreaterThanOrEqual(y[order[k]!]!);
          if (ascending) expect(sign * codes[j]!).toBeGreaterThanOrEqual(sign * codes[order[k]!]!);
        });
      }
    }),
  );
});

test("all-zero blocks are 0x77 in nf4, the code of 0 in every codebook, and decode to 0", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 300 }),
      codebook,
      blockSize,
      fc.boolean(),
      (n, name, blockSize, doubleQuant) => {
        const q = quantize(new Float32Array(n), { shape: [n], codebook: name, blockSize, doubleQuant });
        if (name === "nf4") expect(q.codes.every((byte) => byte === 0x77)).toBe(true);
        expect(dequantize(q).every((value) => value === 0)).toBe(true);
      },
    ),
  );
});

test("storage is exact to the byte", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 20000 }),
      blockSize,
      fc.boolean(),
      fc.boolean(),
      (n, blockSize, doubleQuant, shifted) => {
        const q = quantize(new Float32Array(n).fill(0.5), {
          shape: [n],
          blockSize,
          doubleQuant,
          shift: shifted && n < 3000 ? "information" : "none",
        });
        const blocks = Math.ceil(n / blockSize);
        const perBlock = doubleQuant ? blocks + 4 * Math.ceil(blocks / 256) + 4 : 4 * blocks;
        expect(bytes(q)).toBe(Math.ceil(n / 2) + perBlock * (shifted && n < 3000 ? 2 : 1));
      },
    ),
    { numRuns: 60 },
  );
  const bits = (blockSize: number, doubleQuant: boolean) => {
    const n = 4096 * 4096;
    return (8 * bytes(quantize(new Uint16Array(n), { shape: [4096, 4096], blockSize, doubleQuant }))) / n;
  };
  expect(bits(64, false)).toBe(4.5);
  expect(bits(64, true)).toBe(4 + 8 / 64 + 32 / (64 * 256) + 32 / 2 ** 24); // 4.127
  expect(bits(128, true)).toBe(4 + 8 / 128 + 32 / (128 * 256) + 32 / 2 ** 24); // 4.063
});

test("double quantisation is off by at most half a step of its map", () => {
  fc.assert(
    fc.property(fc.array(weight, { minLength: 1, maxLength: 600 }), fc.boolean(), (values, centre) => {
      const x = Float32Array.from(values);
      const nested = nest(x, { centre });
      const back = unnest(nested);
      x.forEach((value, i) => {
        const scale = nested.absmax[i >> 8]!;
        const v = (value - nested.offset) / scale;
        const { map } = nested;
        const above = map.findIndex((level) => level >= v);
        const half = above <= 0 ? Math.abs(v - map[Math.max(0, above)]!) : (map[above]! - map[above - 1]!) / 2;
        if (scale > 0)
          expect(Math.abs(back[i]! - value)).toBeLessThanOrEqual(
            half * scale + (scale + Math.abs(value) + Math.abs(nested.offset)) * 2 ** -21,
          );
      });
    }),
  );
});

/** Bits of entropy of a block's codes. */
function entropies(q: QuantizedTensor): number[] {
  const codes = codesOf(q);
  return Array.from({ length: Math.ceil(codes.length / q.blockSize) }, (_, b) => {
    const block = codes.slice(b * q.blockSize, (b + 1) * q.blockSize);
    const counts = new Map<number, number>();
    for (const code of block) counts.set(code, (counts.get(code) ?? 0) + 1);
    return [...counts.values()].reduce((h, c) => h - (c / block.length) * Math.log2(c / block.length), 0);
  });
}

test("information calibration never lowers the entropy of a block, with plain and with 8-bit shifts", () => {
  fc.assert(
    fc.property(
      tame,
      fc.constantFrom<CodebookName>("nf4", "int4", "bof4-s"),
      fc.constantFrom(32, 64, 128),
      fc.boolean(),
      (x, codebook, blockSize, doubleQuant) => {
        const options = { shape: [x.length], codebook, blockSize, doubleQuant };
        const none = entropies(quantize(Float32Array.from(x), options));
        const calibrated = entropies(quantize(Float32Array.from(x), { ...options, shift: "information" }));
        calibrated.forEach((h, b) => {
          expect(h).toBeGreaterThanOrEqual(none[b]! - 1e-9);
        });
      },
    ),
    { numRuns: 60 },
  );
});

test("a searched scale is never worse than the absmax", () => {
  fc.assert(
    fc.property(tame, codebook, blockSize, (x, codebook, blockSize) => {
      const weights = Float32Array.from(x);
      const options = { shape: [x.length], codebook, blockSize, doubleQuant: false };
      const errors = (scale: "absmax" | "mse-search") => {
        const y = dequantize(quantize(weights, { ...options, scale }));
        return Array.from({ length: Math.ceil(x.length / blockSize) }, (_, b) =>
          x
            .slice(b * blockSize, (b + 1) * blockSize)
            .reduce((sum, value, i) => sum + (value - y[b * blockSize + i]!) ** 2, 0),
        );
      };
      const absmax = errors("absmax");
      errors("mse-search").forEach((error, b) => {
        const energy = x.slice(b * blockSize, (b + 1) * blockSize).reduce((sum, value) => sum + value ** 2, 0);
        expect(error).toBeLessThanOrEqual(absmax[b]! * (1 + 1e-4) + energy * 1e-9);
      });
    }),
    { numRuns: 100 },
  );
});
