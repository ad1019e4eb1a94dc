// The products in plain TypeScript, summed in float64: the oracle of the tests, and what runs where no addon loads.
// The function has the signature of the addon's function of that name.

const { fround } = Math;

/** out [m, n] (+)= x [m, k]·Wᵀ, or transposed out [m, k] (+)= x [m, n]·W, with W [n, k] as products.h describes it. */
export function product4(
  transposed: boolean,
  accumulate: boolean,
  m: number,
  n: number,
  k: number,
  tiled: boolean,
  blockSize: number,
  x: Float32Array,
  out: Float32Array,
  codes: Uint8Array,
  levels: Float32Array,
  ...blockValues: [...BlockValues, ...BlockValues]
): void {
  const scale = reader(blockValues.slice(0, 4) as BlockValues);
  const shift = reader(blockValues.slice(4) as BlockValues);
  const row = new Float32Array(k);
  const [outer, inner] = transposed ? [k, n] : [n, k];
  const sums = new Float64Array(m * outer);
  for (let j = 0; j < n; j++) {
    for (let l = 0; l < k; l++) {
      const i = j * k + l;
      const block = Math.floor(i / blockSize);
      const place = tiled ? ((j >> 4) * (k / blockSize) + Math.floor(l / blockSize)) * 16 + (j & 15) : block;
      const byte = codes[tiled ? tileByte(j, l, k) : i >> 1]!;
      const value = fround(levels[i & 1 ? byte & 15 : byte >> 4]! * scale!(place, block));
      row[l] = shift ? value + shift(place, block) : value;
    }
    for (let i = 0; i < m; i++) {
      if (transposed) for (let l = 0; l < k; l++) sums[i * outer + l]! += x[i * inner + j]! * row[l]!;
      else for (let l = 0; l < k; l++) sums[i * outer + j]! += x[i * inner + l]! * row[l]!;
    }
  }
  for (let i = 0; i < sums.length; i++) out[i] = (accumulate ? out[i]! : 0) + sums[i]!;
}

/** Row-major codes to tiles [n/16][k/16][16 rows][8 bytes], and back where `tiled`. */
export function retile4(tiled: boolean, n: number, k: number, codes: Uint8Array, out: Uint8Array): void {
  for (let j = 0; j < n; j++)
    for (let l = 0; l < k; l += 2) {
      const byte = (j * k + l) / 2;
      if (tiled) out[byte] = codes[tileByte(j, l, k)]!;
      else out[tileByte(j, l, k)] = codes[byte]!;
    }
}

/** The byte of weight [j, l] in tiles. */
function tileByte(j: number, l: number, k: number): number {
  return ((j >> 4) * (k >> 4) + (l >> 4)) * 128 + (j & 15) * 8 + ((l & 15) >> 1);
}

/** One f32 per block: absmax[b], or with codes map[codes[b]]·absmax[⌊b/256⌋] + offset. In tiles they are [n/16][k/blockSize][16]. */
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
