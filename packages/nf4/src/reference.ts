// The codec in plain TypeScript, written to be read: the oracle of the tests, and what runs where no addon loads.
//
// Every function here has the signature of the addon's function of that name and gives the same bits. All arithmetic is f32:
// each operation is rounded by Math.fround or by storing into a Float32Array.
import { toBf16, widen } from "./half.js";
import { below, codeOf, ranks, reciprocal, scaleOf } from "./ranks.js";
import { searchScale } from "./reference_search.js";
import type { HalfType, Weights } from "./types.js";

export { guardShifts, searchShifts } from "./reference_search.js";

const { fround } = Math;

/**
 * Scales and codes of n weights. A block's scale s is its largest magnitude (signed: the weight that has it, the positive
 * one of two); a weight's code is that of v = x·(1/s).
 * @param shift [blocks] subtracted from the weights of each block first, or null.
 * @param factors s is multiplied by the one with the least squared error, or null.
 * @returns the first block whose weights are not all finite, or -1.
 */
export function quantize(
  x: Weights,
  half: HalfType,
  n: number,
  blockSize: number,
  levels: Float32Array,
  signed: boolean,
  shift: Float32Array | null,
  factors: Float32Array | null,
  scales: Float32Array,
  codes: Uint8Array,
): number {
  const table = ranks(levels);
  const block = new Float32Array(blockSize);
  for (let b = 0, begin = 0; begin < n; b++, begin += blockSize) {
    const length = Math.min(blockSize, n - begin);
    widen(x, half, begin, length, block);
    if (shift) for (let i = 0; i < length; i++) block[i]! -= shift[b]!;
    scales[b] = scaleOf(block, 0, length, signed);
    if (!Number.isFinite(scales[b])) return b;
    if (factors) scales[b] = searchScale(block, length, levels, table, factors, scales[b]!);
    const { lift, inverse } = reciprocal(scales[b]!);
    const code = (i: number) => codeOf(i < length ? fround(fround(block[i]! * lift) * inverse) : 0, table);
    for (let i = 0; i < length; i += 2) codes[(begin + i) / 2] = (code(i) << 4) | code(i + 1);
  }
  return -1;
}

/**
 * x̂ = level[code]·s (+ τ), rounded to f32 after each operation, then to bf16 where `out` holds 16-bit words.
 * The scale of block b is absmax[b], or map[nested[b]]·absmax[⌊b/256⌋] + offset.
 */
export function dequantize(
  codes: Uint8Array,
  levels: Float32Array,
  n: number,
  blockSize: number,
  absmax: Float32Array,
  nested: Uint8Array | null,
  map: Float32Array | null,
  offset: number,
  shift: Float32Array | null,
  out: Weights,
): void {
  const values = new Float32Array(16);
  for (let b = 0, begin = 0; begin < n; b++, begin += blockSize) {
    const scale = nested ? fround(fround(map![nested[b]!]! * absmax[b >> 8]!) + offset) : absmax[b]!;
    for (let code = 0; code < 16; code++) {
      values[code] = levels[code]! * scale;
      if (shift) values[code]! += shift[b]!;
    }
    const table = out instanceof Float32Array ? values : Uint16Array.from(values, toBf16);
    const end = Math.min(begin + blockSize, n);
    for (let i = begin; i < end; i++) out[i] = table[i & 1 ? codes[i >> 1]! & 15 : codes[i >> 1]! >> 4]!;
  }
}

/**
 * 8-bit blockwise: the code of v = (x − offset)·(1/s) is the number of midpoints of `map` (256 ascending values) below v,
 * where s is the block's largest magnitude after the subtraction.
 * @returns the first block that is not all finite, or -1.
 */
export function quantizeBlockwise(
  x: Float32Array,
  n: number,
  blockSize: number,
  map: Float32Array,
  offset: number,
  absmax: Float32Array,
  codes: Uint8Array,
): number {
  const pivots = Float32Array.from({ length: 255 }, (_, j) => (map[j]! + map[j + 1]!) / 2);
  const block = new Float32Array(Math.min(n, blockSize));
  for (let b = 0, begin = 0; begin < n; b++, begin += blockSize) {
    const length = Math.min(blockSize, n - begin);
    for (let i = 0; i < length; i++) block[i] = x[begin + i]! - offset;
    absmax[b] = scaleOf(block, 0, length, false);
    if (!Number.isFinite(absmax[b])) return b;
    const { lift, inverse } = reciprocal(absmax[b]!);
    for (let i = 0; i < length; i++) codes[begin + i] = below(fround(fround(block[i]! * lift) * inverse), pivots);
  }
  return -1;
}

/** out[i] = map[codes[i]]·absmax[⌊i/blockSize⌋] + offset, in f32, the product rounded first. */
export function dequantizeBlockwise(
  codes: Uint8Array,
  n: number,
  blockSize: number,
  map: Float32Array,
  absmax: Float32Array,
  offset: number,
  out: Float32Array,
): void {
  for (let b = 0, begin = 0; begin < n; b++, begin += blockSize)
    for (let i = begin; i < Math.min(n, begin + blockSize); i++) out[i] = fround(map[codes[i]!]! * absmax[b]!) + offset;
}

/** The mean in f64, rounded to f32: groups of 256 summed in 8 lanes (element i in lane i mod 8), then the groups, in order. */
export function mean(x: Float32Array, n: number): number {
  let total = 0;
  for (let begin = 0; begin < n; begin += 256) {
    const lanes = [0, 0, 0, 0, 0, 0, 0, 0];
    for (let i = begin; i < Math.min(n, begin + 256); i++) lanes[i & 7]! += x[i]!;
    let sum = 0;
    for (const lane of lanes) sum += lane;
    total += sum;
  }
  return n ? fround(total / n) : 0;
}
