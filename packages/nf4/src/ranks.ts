// From weights to codes: a block's scale, its reciprocal, and the midpoints that separate the codes.

/** A codebook sorted for encoding. */
export interface Ranks {
  /** [16] The codes in ascending order of their values; equal values keep their order. */
  order: Uint8Array;
  /** [15] The f32 midpoints between neighbours of that order. */
  pivots: Float32Array;
}

/** Sorts 16 levels; pivot j = f32((value[j] + value[j+1])/2). */
export function ranks(levels: Float32Array): Ranks {
  const order = Uint8Array.from([...levels.keys()].sort((a, b) => levels[a]! - levels[b]! || a - b));
  const pivots = Float32Array.from({ length: 15 }, (_, j) => (levels[order[j]!]! + levels[order[j + 1]!]!) / 2);
  return { order, pivots };
}

/** The code of v: of the nearest level; a midpoint belongs to the lower of its neighbours, as bitsandbytes has it. */
export function codeOf(v: number, { order, pivots }: Ranks): number {
  return order[below(v, pivots)]!;
}

/** How many of the ascending pivots are below v (2^k − 1 of them). */
export function below(v: number, pivots: Float32Array): number {
  let rank = 0;
  for (let step = (pivots.length + 1) >> 1; step; step >>= 1) if (v > pivots[rank + step - 1]!) rank += step;
  return rank;
}

/** The largest magnitude of x[begin … end), or with `signed` the weight that has it (the positive one of two). */
export function scaleOf(x: Float32Array, begin: number, end: number, signed: boolean): number {
  let high = 0;
  let low = 0;
  for (let i = begin; i < end; i++) {
    high = Math.max(high, x[i]!);
    low = Math.min(low, x[i]!);
  }
  if (signed) return high >= -low || Number.isNaN(high) ? high : low;
  return Math.max(high, -low);
}

/**
 * 1/s in f32, and 0 for s = 0 so that zeros get the code of 0. Where 1/s would overflow (|s| below about 2^-128), weights
 * are first lifted by 2^64: v = (x·lift)·inverse.
 */
export function reciprocal(scale: number): { lift: number; inverse: number } {
  if (scale === 0) return { lift: 1, inverse: 0 };
  const inverse = Math.fround(1 / scale);
  if (Number.isFinite(inverse)) return { lift: 1, inverse };
  return { lift: 2 ** 64, inverse: Math.fround(1 / (scale * 2 ** 64)) };
}
