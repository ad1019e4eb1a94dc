// Counter-based random numbers: Philox 4x32-10 (Salmon et al., SC 2011). The n-th number of a stream is a function of
// (seed, stream, n), so there is no state to save and a resumed run draws what the uninterrupted one would.

const [M0, M1, W0, W1] = [0xd2511f53, 0xcd9e8d57, 0x9e3779b9, 0xbb67ae85];

// High 32 bits of a 32 × 32 bit product.
function mulHigh(a: number, b: number): number {
  const [ah, al, bh, bl] = [a >>> 16, a & 0xffff, b >>> 16, b & 0xffff];
  const low = al * bl;
  const middle = ah * bl + (low >>> 16);
  const middle2 = al * bh + (middle % 65536);
  return (ah * bh + Math.floor(middle / 65536) + (middle2 / 65536) * 1) >>> 0;
}

/** Four 32-bit numbers for a counter of four 32-bit words and a key of two. */
export function philox(
  counter: readonly [number, number, number, number],
  key: readonly [number, number],
): [number, number, number, number] {
  let [c0, c1, c2, c3] = counter.map((x) => x >>> 0) as [number, number, number, number];
  let [k0, k1] = [key[0] >>> 0, key[1] >>> 0];
  for (let round = 0; round < 10; round++) {
    const [h0, l0] = [mulHigh(M0, c0), Math.imul(M0, c0) >>> 0];
    const [h1, l1] = [mulHigh(M1, c2), Math.imul(M1, c2) >>> 0];
    [c0, c1, c2, c3] = [(h1 ^ c1 ^ k0) >>> 0, l1, (h0 ^ c3 ^ k1) >>> 0, l0];
    k0 = (k0 + W0) >>> 0;
    k1 = (k1 + W1) >>> 0;
  }
  return [c0, c1, c2, c3];
}

/** What a stream of random numbers is for; numbers of different streams are independent. */
export const STREAM = { shuffle: 1, order: 2, heldOut: 3 } as const;

/**
 * A permutation of 0 … n−1, a function of (seed, stream, epoch) alone. Fisher–Yates with one Philox block a step.
 * `seed` is a safe non-negative integer.
 */
export function permutation(
  n: number,
  { seed, stream, epoch = 0 }: { seed: number; stream: number; epoch?: number },
): Int32Array {
  if (!Number.isSafeInteger(seed) || seed < 0)
    throw new RangeError(`seed is ${seed}, expected an integer of 0 or more`);
  if (!Number.isInteger(n) || n < 0 || n > 2 ** 31 - 1) throw new RangeError(`n is ${n}, expected 0 … 2147483647`);
  const key: [number, number] = [seed % 2 ** 32, Math.floor(seed / 2 ** 32)];
  const order = Int32Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; i--) {
    const [a, b] = philox([i, epoch, stream, 0], key);
    // 53 random bits, uniform in [0, 1).
    const u = ((a >>> 5) * 2 ** 26 + (b >>> 6)) / 2 ** 53;
    const j = Math.floor(u * (i + 1));
    const held = order[i]!;
    order[i] = order[j]!;
    order[j] = held;
  }
  return order;
}
