// The products in plain TypeScript, summed in float64: the oracle of the tests, and what runs where no addon loads.
// The functions have the signatures of the addon's functions of those names.
import { int8Product } from "./int8_reference.js";

const { fround } = Math;

/**
 * out [m, n] (+)= x [m, k]·Wᵀ, or transposed out [m, k] (+)= x [m, n]·W, with W [n, k] as products.h describes it; with int8
 * in 8 bits, as int8_reference.ts has it.
 */
export function product4(
  transposed: boolean,
  accumulate: boolean,
  int8: boolean,
  m: number,
  n: number,
  k: number,
  tiled: boolean,
  blockSize: number,
  x: Float32Array,
  out: Float32Array,
  codes: Uint8Array,
  levels: Float32Array,
  levelScale: number,
  ...blockValues: [...BlockValues, ...BlockValues]
): void {
  const w = new Float32Array(n * k);
  const level = new Float32Array(n * k);
  const scales = new Float32Array(n * k);
  const scale = reader(blockValues.slice(0, 4) as BlockValues);
  const shift = reader(blockValues.slice(4) as BlockValues);
  for (let j = 0; j < n; j++)
    for (let l = 0; l < k; l++) {
      const i = j * k + l;
      const block = Math.floor(i / blockSize);
      const place = tiled ? tileValue(j, Math.floor(l / blockSize), k / blockSize) : block;
      const byte = codes[tiled ? tileByte(j, l, k) : i >> 1]!;
      level[i] = levels[i & 1 ? byte & 15 : byte >> 4]!;
      scales[i] = scale!(place, block);
      w[i] = level[i]! * scales[i]!;
      if (shift) w[i]! += shift(place, block);
    }
  const groupsFit = k % blockSize === 0 && blockSize % 64 === 0 && !shift;
  const way = !groupsFit ? "general" : transposed ? "backward" : "forward";
  const sums = int8
    ? int8Product(way, transposed, m, n, k, x, { w, level, scales, levels, levelScale })
    : product(transposed, m, n, k, x, w);
  for (let i = 0; i < sums.length; i++) out[i] = (accumulate ? out[i]! : 0) + sums[i]!;
}

function product(transposed: boolean, m: number, n: number, k: number, x: Float32Array, w: Float32Array): Float64Array {
  const sums = new Float64Array(m * (transposed ? k : n));
  for (let i = 0; i < m; i++)
    for (let j = 0; j < n; j++)
      for (let l = 0; l < k; l++)
        if (transposed) sums[i * k + l]! += x[i * n + j]! * w[j * k + l]!;
        else sums[i * n + j]! += x[i * k + l]! * w[j * k + l]!;
  return sums;
}

/** Row-major codes to tiles [n/16][k/8][16 rows][4 bytes], and back where `tiled`. */
export function retile4(tiled: boolean, n: number, k: number, codes: Uint8Array, out: Uint8Array): void {
  for (let j = 0; j < n; j++)
    for (let l = 0; l < k; l += 2) {
      const byte = (j * k + l) / 2;
      if (tiled) out[byte] = codes[tileByte(j, l, k)]!;
      else out[tileByte(j, l, k)] = codes[byte]!;
    }
}

/** Bytes from the beginning of a cache line to that of the array; unknown here. */
export function misalignment(_array: Uint8Array): number {
  return 0;
}

/** The byte of weight [j, l] in tiles. */
function tileByte(j: number, l: number, k: number): number {
  return ((j >> 4) * (k >> 3) + (l >> 3)) * 64 + (j & 15) * 4 + ((l & 7) >> 1);
}

/** Where the value of block b of row j is kept in tiles: [n/16][blocks of a row][16]. */
export function tileValue(j: number, b: number, blocks: number): number {
  return ((j >> 4) * blocks + b) * 16 + (j & 15);
}

/** One f32 per block: absmax[b], or with codes map[codes[b]]·absmax[⌊b/256⌋] + offset. In tiles they are ordered by `tileValue`. */
export type BlockValues = [
  codes: Uint8Array | null,
  map: Float32Array | null,
  absmax: Float32Array | null,
  offset: number,
];

/** The value stored at `place`, of a block that is number `block` in the flattened tensor. */
function reader([codes, map, absmax, offset]: BlockValues): ((place: number, block: number) => number) | undefined {
  if (!absmax) return undefined;
  if (!codes) return (place) => absmax[place]!;
  return (place, block) => fround(fround(map![codes[place]!]! * absmax[block >> 8]!) + offset);
}
