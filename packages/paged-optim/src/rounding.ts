// f32 to bf16, to nearest even and stochastically, and back.
const words = new Uint32Array(1);
const floats = new Float32Array(words.buffer);

export function widenOne(half: number): number {
  words[0] = half << 16;
  return floats[0]!;
}

function bits(x: number): number {
  floats[0] = x;
  return words[0]!;
}

/** Nearest bf16, ties to even; NaN stays NaN, quiet. */
export function narrow(x: number): number {
  const b = bits(x);
  return Number.isNaN(x) ? (b >>> 16) | 0x40 : (b + 0x7fff + ((b >>> 16) & 1)) >>> 16;
}

/**
 * The bf16 below or above x in size, above with probability equal to the part cut off: 16 random bits are added to the 16 that
 * go. The bits of element e come from Philox under key random[0, 1] with counter (16·⌊e / 128⌋ + e mod 16, random[2] the
 * parameter, random[3] the step), and there from half ⌊(e mod 128) / 16⌋ of eight.
 */
export function narrowStochastic(x: number, e: number, random: Uint32Array): number {
  const counter = 16 * Math.floor(e / 128) + (e % 16);
  const half = Math.floor((e % 128) / 16);
  const word = philox([counter >>> 0, Math.floor(counter / 2 ** 32), random[2]!, random[3]!], random)[half >> 1]!;
  const b = bits(x);
  return Number.isNaN(x) ? (b >>> 16) | 0x40 : (b + ((word >>> (16 * (half & 1))) & 0xffff)) >>> 16;
}

/** Philox4x32-10 (Salmon et al. 2011). */
export function philox(counter: readonly number[], key: ArrayLike<number>): number[] {
  let [a, b, c, d] = counter as [number, number, number, number];
  let k0 = key[0]!;
  let k1 = key[1]!;
  for (let round = 0; round < 10; ++round) {
    const x = BigInt(a) * 0xd2511f53n;
    const y = BigInt(c) * 0xcd9e8d57n;
    const [high0, low0, high1, low1] = [x >> 32n, x & 0xffffffffn, y >> 32n, y & 0xffffffffn].map(Number) as [
      number,
      number,
      number,
      number,
    ];
    [a, b, c, d] = [(high1 ^ b ^ k0) >>> 0, low1, (high0 ^ d ^ k1) >>> 0, low0];
    k0 = (k0 + 0x9e3779b9) >>> 0;
    k1 = (k1 + 0xbb67ae85) >>> 0;
  }
  return [a, b, c, d];
}
