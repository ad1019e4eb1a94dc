// Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"): random words as a function of a counter.

const M0 = 0xd2511f53;
const M1 = 0xcd9e8d57;
const W0 = 0x9e3779b9;
const W1 = 0xbb67ae85;

/** Upper 32 bits of the product of two unsigned 32-bit numbers. */
function multiplyHigh(a: number, b: number): number {
  const a1 = a >>> 16;
  const a0 = a & 0xffff;
  const b1 = b >>> 16;
  const b0 = b & 0xffff;
  const middle = a1 * b0 + ((a0 * b0) >>> 16); // < 2^32
  const low = a0 * b1 + (middle & 0xffff); // < 2^32
  return (a1 * b1 + Math.floor(middle / 65536) + Math.floor(low / 65536)) >>> 0;
}

/** The four words of one block: counter (c0, c1, c2, c3), key (k0, k1). */
export function philox(out: Uint32Array, c0: number, c1: number, c2: number, c3: number, k0: number, k1: number): void {
  for (let round = 0; round < 10; round++) {
    const high0 = multiplyHigh(M0, c0 >>> 0);
    const low0 = Math.imul(M0, c0);
    const high1 = multiplyHigh(M1, c2 >>> 0);
    const low1 = Math.imul(M1, c2);
    c0 = high1 ^ c1 ^ k0;
    c1 = low1;
    c2 = high0 ^ c3 ^ k1;
    c3 = low0;
    k0 = (k0 + W0) | 0;
    k1 = (k1 + W1) | 0;
  }
  out[0] = c0;
  out[1] = c1;
  out[2] = c2;
  out[3] = c3;
}

/** A stream of a seed: key = the seed's low and high half; counter = (block's low and high half, stream's low and high half). */
export interface Stream {
  seed: bigint;
  stream: bigint;
}

/** The stream that belongs to a name: FNV-1a, 64 bits, of its UTF-8. */
export function streamOf(name: string): bigint {
  let hash = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(name)) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  return hash;
}

/** Calls `use(i, u)` for i = 0 … n-1 with u = (word(i) >> 8, plus ½) / 2^24, in (0, 1); word(i) is number i mod 4 of block i div 4. */
function eachUniform(n: number, { seed, stream }: Stream, use: (i: number, u: number) => void): void {
  const half = (x: bigint, shift: bigint) => Number((x >> shift) & 0xffffffffn) | 0;
  const [k0, k1] = [half(seed, 0n), half(seed, 32n)];
  const [c2, c3] = [half(stream, 0n), half(stream, 32n)];
  const words = new Uint32Array(4);
  for (let block = 0; block * 4 < n; block++) {
    philox(words, block | 0, Math.floor(block / 2 ** 32), c2, c3, k0, k1);
    for (let j = 0; j < 4 && block * 4 + j < n; j++) use(block * 4 + j, ((words[j]! >>> 8) + 0.5) / 2 ** 24);
  }
}

/** Fills `out` with U(-bound, bound): element i is (2u(i) - 1)·bound. */
export function fillUniform(out: Float32Array, bound: number, stream: Stream): void {
  eachUniform(out.length, stream, (i, u) => {
    out[i] = (2 * u - 1) * bound;
  });
}

/** Fills `out` with N(0, std²), Box–Muller: elements 2j and 2j + 1 are √(-2 ln u(2j)) times cos and sin of 2π·u(2j + 1). */
export function fillNormal(out: Float32Array, std: number, stream: Stream): void {
  let radius = 0;
  eachUniform(out.length + (out.length % 2), stream, (i, u) => {
    if (i % 2 === 0) radius = std * Math.sqrt(-2 * Math.log(u));
    else {
      out[i - 1] = radius * Math.cos(2 * Math.PI * u);
      if (i < out.length) out[i] = radius * Math.sin(2 * Math.PI * u);
    }
  });
}
