// A small seeded generator: xoshiro128** (Blackman and Vigna 2021), state filled by SplitMix32. 32-bit integers only, so it
// is fast in JavaScript and gives the same numbers on every machine.

/** A stream of random numbers; the same seed gives the same stream. */
export interface Random {
  /** Uniform integer in [0, 2³²). */
  next(): number;
  /** Uniform integer in [0, n), 1 ≤ n ≤ 2³². The bias of the scaled draw is below n/2³². */
  below(n: number): number;
  /** Uniform double in [0, 1) with 32 random bits. */
  uniform(): number;
}

/** A generator for `seed`, any safe integer. */
export function createRandom(seed: number): Random {
  if (!Number.isSafeInteger(seed)) throw new RangeError(`seed must be a safe integer, got ${seed}`);
  // The low and the high 32 bits fill half of the state each, so no two seeds share one.
  const low = splitMix32(seed | 0);
  const high = splitMix32(Math.floor(seed / 2 ** 32) ^ 0x5bf03635);
  return xoshiro128(low(), low(), high(), high() | 1); // | 1: never the all-zero state
}

function splitMix32(z: number): () => number {
  return () => {
    z = (z + 0x9e3779b9) | 0;
    let t = z ^ (z >>> 16);
    t = Math.imul(t, 0x21f0aaad);
    t ^= t >>> 15;
    t = Math.imul(t, 0x735a2d97);
    return t ^ (t >>> 15);
  };
}

/** xoshiro128** from a given state of four 32-bit words, not all zero. */
export function xoshiro128(a: number, b: number, c: number, d: number): Random {
  const next = () => {
    const r = Math.imul(b, 5);
    const result = Math.imul((r << 7) | (r >>> 25), 9) >>> 0;
    const t = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= t;
    d = (d << 11) | (d >>> 21);
    return result;
  };
  return { next, below: (n) => Math.floor(next() * 2 ** -32 * n), uniform: () => next() * 2 ** -32 };
}

/** Moves a uniformly random sample of `count` elements, in random order, to the front of `items` (partial Fisher–Yates). */
export function shuffle(items: Int32Array, random: Random, count = items.length): void {
  const n = items.length;
  for (let i = 0; i < count; i++) {
    const j = i + random.below(n - i);
    const t = items[i]!;
    items[i] = items[j]!;
    items[j] = t;
  }
}
