// Percentile bootstrap (Efron and Tibshirani 1993, ch. 13): resample items with replacement, take quantiles of the statistic.
import { createRandom } from "../random.js";
import { quantile } from "./describe.js";

/** A two-sided confidence interval. */
export interface Interval {
  low: number;
  high: number;
  /** Confidence level, e.g. 0.95. */
  level: number;
}

export interface BootstrapOptions {
  resamples?: number;
  level?: number;
  seed?: number;
}

/**
 * Interval of `statistic`, which is given the indices (0 … n − 1, drawn with replacement) of one resample at a time. The array
 * is reused from one call to the next. Same seed, same interval.
 */
export function bootstrap(
  n: number,
  statistic: (draw: Int32Array) => number,
  options: BootstrapOptions = {},
): Interval {
  const { resamples = 10_000, level = 0.95, seed = 0 } = options;
  if (!Number.isInteger(n) || n < 1) throw new RangeError(`bootstrap: n must be a positive integer, got ${n}`);
  if (!Number.isInteger(resamples) || resamples < 1)
    throw new RangeError(`bootstrap: resamples must be positive, got ${resamples}`);
  checkLevel(level);
  const random = createRandom(seed);
  const draw = new Int32Array(n);
  const values = new Float64Array(resamples);
  for (let r = 0; r < resamples; r++) {
    for (let i = 0; i < n; i++) draw[i] = random.below(n);
    values[r] = statistic(draw);
  }
  values.sort();
  return { low: quantile(values, (1 - level) / 2), high: quantile(values, (1 + level) / 2), level };
}

/** Bootstrap interval of the mean of `values`. */
export function bootstrapMean(values: ArrayLike<number>, options: BootstrapOptions = {}): Interval & { mean: number } {
  const n = values.length;
  const of = (draw: ArrayLike<number>) => {
    let sum = 0;
    for (let i = 0; i < n; i++) sum += values[draw[i]!]!;
    return sum / n;
  };
  const interval = bootstrap(n, of, options);
  return { mean: of(Int32Array.from({ length: n }, (_, i) => i)), ...interval };
}

/** @throws RangeError unless 0 < level < 1 */
export function checkLevel(level: number): void {
  if (!(level > 0 && level < 1)) throw new RangeError(`level must lie between 0 and 1, got ${level}`);
}
