// The choice of a block's scale (least squared error) and of its shift (most entropy, ICQ of arXiv 2402.05445), in plain
// TypeScript. Sums of squares run over 16 lanes, element i in lane i mod 16, and halve at the end, as the vector kernels do.
import { widen } from "./half.js";
import { below, type Ranks, ranks, reciprocal, scaleOf } from "./ranks.js";
import type { HalfType, Weights } from "./types.js";

const { fround } = Math;

/** s times the factor with the least Σ (x/s − f·level)², the first of equals. */
export function searchScale(
  block: Float32Array,
  length: number,
  levels: Float32Array,
  table: Ranks,
  factors: Float32Array,
  scale: number,
): number {
  const { lift, inverse } = reciprocal(scale);
  const unit = Float32Array.from(block.subarray(0, length), (x) => fround(x * lift) * inverse);
  let chosen = factors[0]!;
  let best = squaredError(unit, levels, table, chosen);
  for (const factor of factors.subarray(1)) {
    const error = squaredError(unit, levels, table, factor);
    if (error < best) [best, chosen] = [error, factor];
  }
  return fround(scale * chosen);
}

/** Σ (u − f·level(u/f))², f32. */
function squaredError(u: Float32Array, levels: Float32Array, { order, pivots }: Ranks, f: number): number {
  const inverse = fround(1 / f);
  const sums = new Float32Array(16);
  for (let i = 0; i < u.length; i++) {
    const level = levels[order[below(fround(u[i]! * inverse), pivots)]!]!;
    const d = fround(u[i]! - fround(level * f));
    sums[i & 15]! += fround(d * d);
  }
  for (let half = 8; half; half >>= 1) for (let i = 0; i < half; i++) sums[i]! += sums[i + half]!;
  return sums[0]!;
}

/** One block under one shift: how its codes would be spread, and how far they would be off. */
class Shifted {
  private v: Float32Array;
  private scale = 0;
  constructor(
    private x: Float32Array,
    private levels: Float32Array,
    private table: Ranks,
    private signed: boolean,
    private costs: Float64Array,
  ) {
    this.v = new Float32Array(x.length);
  }

  /** Σ c·log2 c over the counts c of the codes; their entropy is log2 n − cost/n. */
  cost(shift: number): number {
    const { x, v, table } = this;
    for (let i = 0; i < x.length; i++) v[i] = x[i]! - shift;
    this.scale = scaleOf(v, 0, v.length, this.signed);
    if (!Number.isFinite(this.scale)) return Number.POSITIVE_INFINITY;
    const { lift, inverse } = reciprocal(this.scale);
    const counts = new Uint32Array(16);
    for (let i = 0; i < v.length; i++) {
      v[i] = fround(v[i]! * lift) * inverse;
      counts[below(v[i]!, table.pivots)]!++;
    }
    return counts.reduce((sum, count) => sum + this.costs[count]!, 0);
  }

  /** Squared error of the shift last given to cost(), in units of the block's absmax. */
  error(absmax: { lift: number; inverse: number }): number {
    const ratio = fround(fround(this.scale * absmax.lift) * absmax.inverse);
    return fround(squaredError(this.v, this.levels, this.table, 1) * fround(ratio * ratio));
  }
}

/**
 * shift[b]: of 0 and median + fraction·max|x − median| (the lower median), the one whose codes have the most entropy; of
 * equals the one with the least squared error; of those the first.
 * @param costs [blockSize + 1] c·log2 c, rounded so that sums of them are exact.
 * @returns the first block whose weights are not all finite, or -1.
 */
export function searchShifts(
  x: Weights,
  half: HalfType,
  n: number,
  blockSize: number,
  levels: Float32Array,
  signed: boolean,
  fractions: Float32Array,
  costs: Float64Array,
  shift: Float32Array,
): number {
  const table = ranks(levels);
  for (let b = 0, begin = 0; begin < n; b++, begin += blockSize) {
    const block = new Float32Array(Math.min(blockSize, n - begin));
    widen(x, half, begin, block.length, block);
    const absmax = scaleOf(block, 0, block.length, false);
    shift[b] = 0;
    if (!Number.isFinite(absmax)) return b;
    const shifted = new Shifted(block, levels, table, signed, costs);
    const median = block.slice().sort()[(block.length - 1) >> 1]!;
    const reach = block.reduce((most, value) => Math.max(most, Math.abs(fround(value - median))), 0);
    let least = shifted.cost(0);
    let error = shifted.error(reciprocal(absmax));
    for (const fraction of fractions) {
      const candidate = fround(fround(fraction * reach) + median);
      const cost = shifted.cost(candidate);
      if (cost > least || cost === Number.POSITIVE_INFINITY) continue;
      const e = shifted.error(reciprocal(absmax));
      if (cost < least || e < error) [least, error, shift[b]] = [cost, e, candidate];
    }
  }
  return -1;
}

/** shift[b] becomes 0 where the codes under shift[b] have less entropy than those under 0. */
export function guardShifts(
  x: Weights,
  half: HalfType,
  n: number,
  blockSize: number,
  levels: Float32Array,
  signed: boolean,
  costs: Float64Array,
  shift: Float32Array,
): void {
  const table = ranks(levels);
  for (let b = 0, begin = 0; begin < n; b++, begin += blockSize) {
    const block = new Float32Array(Math.min(blockSize, n - begin));
    widen(x, half, begin, block.length, block);
    const shifted = new Shifted(block, levels, table, signed, costs);
    if (shifted.cost(shift[b]!) > shifted.cost(0)) shift[b] = 0;
  }
}
