// The stream of dropout: Philox's published answers, how elements map to words, and that any piece can be done alone.
import fc from "fast-check";
import { expect, test } from "vitest";
import { dropout } from "../src/index.js";
import { philox } from "../src/reference.js";
import { random } from "./compare.js";

test("Philox4x32-10 gives the known answers of Random123 (kat_vectors)", () => {
  const all = 0xffffffff;
  const hex = (words: number[]) => words.map((word) => word.toString(16).padStart(8, "0")).join(" ");
  expect(hex(philox([0, 0, 0, 0], [0, 0]))).toBe("6627e8d5 e169c58d bc57ac4c 9b00dbd8");
  expect(hex(philox([all, all, all, all], [all, all]))).toBe("408f276d 41c83b0e a20bc7c6 6d5451fd");
  const pi = [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344];
  expect(hex(philox(pi, [0xa4093822, 0x299f31d0]))).toBe("d16cfe09 94fdcceb 5001e420 24126ea1");
});

const keep = (n: number, options: { p: number; seed: bigint; offset?: number }) => {
  const y = new Float32Array(n);
  dropout(new Float32Array(n).fill(1), y, { n, ...options });
  return Array.from(y, (value) => value !== 0);
};

test("element j is kept by word (j >> 4) & 3 of the block of counter (j >> 6) · 16 + (j & 15)", () => {
  const seed = 0x0123456789abcdefn;
  const offset = 2 ** 40 - 77; // crosses into counters whose upper word is set
  const kept = keep(300, { p: 0.4, seed, offset });
  for (const [i, value] of kept.entries()) {
    const j = BigInt(offset + i);
    const c = (j >> 6n) * 16n + (j & 15n);
    const words = philox([Number(c & 0xffffffffn), Number(c >> 32n), 0, 0], [0x89abcdef, 0x01234567]);
    expect(value).toBe(words[Number((j >> 4n) & 3n)]! >= Math.round(0.4 * 2 ** 32));
  }
});

test("a piece anywhere is that piece of the whole", () => {
  const whole = keep(1000, { p: 0.5, seed: 7n });
  fc.assert(
    fc.property(fc.nat({ max: 900 }), fc.nat({ max: 100 }), (offset, n) => {
      expect(keep(n, { p: 0.5, seed: 7n, offset })).toEqual(whole.slice(offset, offset + n));
    }),
  );
});

test("the seed as a bigint and as two words", () => {
  const n = 100;
  const x = random(n, 1);
  const [a, b] = [new Float32Array(n), new Float32Array(n)];
  dropout(x, a, { n, p: 0.5, seed: (3n << 32n) | 9n });
  dropout(x, b, { n, p: 0.5, seed: [3, 9] });
  expect(a).toEqual(b);
  expect(keep(n, { p: 0.5, seed: 9n })).not.toEqual(keep(n, { p: 0.5, seed: (3n << 32n) | 9n }));
});

test("p = 0 keeps all; otherwise a share p is dropped, and the mean stays", () => {
  expect(keep(1000, { p: 0, seed: 1n }).every((value) => value)).toBe(true);
  const n = 1_000_000;
  for (const p of [0.05, 0.5, 0.9]) {
    const y = new Float32Array(n);
    dropout(new Float32Array(n).fill(1), y, { n, p, seed: 1n });
    const kept = y.filter((value) => value !== 0);
    const deviation = Math.sqrt((p * (1 - p)) / n);
    expect(Math.abs(kept.length / n - (1 - p))).toBeLessThan(4 * deviation);
    expect(new Set(kept)).toEqual(new Set([Math.fround(1 / (1 - p))]));
  }
});

test("in place, and added to what is there", () => {
  const n = 77;
  const options = { n, p: 0.3, seed: 4n };
  const [x, y] = [random(n, 1), new Float32Array(n)];
  dropout(x, y, options);
  const inPlace = x.slice();
  dropout(inPlace, inPlace, options);
  expect(inPlace).toEqual(y);
  const sum = new Float32Array(n).fill(2);
  dropout(x, sum, { ...options, accumulate: true });
  expect(sum).toEqual(y.map((value) => value + 2));
});
