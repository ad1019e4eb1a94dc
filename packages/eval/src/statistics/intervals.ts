// Closed-form intervals: the mean with Student's t, a proportion with Wilson's score.
import { checkLevel, type Interval } from "./bootstrap.js";
import { mean, standardDeviation } from "./describe.js";
import { normalQuantile, studentQuantile } from "./distributions.js";

export interface MeanInterval extends Interval {
  mean: number;
  /** Half of the interval: mean ± half. */
  half: number;
  sd: number;
  n: number;
}

/** Mean ± t(n − 1) · sd/√n. @throws RangeError below two values */
export function meanInterval(values: ArrayLike<number>, { level = 0.95 } = {}): MeanInterval {
  checkLevel(level);
  const n = values.length;
  const m = mean(values);
  const sd = standardDeviation(values);
  const half = (studentQuantile((1 + level) / 2, n - 1) * sd) / Math.sqrt(n);
  return { mean: m, half, low: m - half, high: m + half, sd, n, level };
}

export interface Proportion extends Interval {
  value: number;
  successes: number;
  total: number;
}

/** A proportion with Wilson's score interval (Wilson 1927), which stays inside [0, 1] and is sensible at 0 and at n. */
export function wilson(successes: number, total: number, { level = 0.95 } = {}): Proportion {
  checkLevel(level);
  if (!(total > 0)) throw new RangeError(`wilson: total must be positive, got ${total}`);
  if (!(successes >= 0 && successes <= total)) throw new RangeError(`wilson: ${successes} successes of ${total}`);
  const z = normalQuantile((1 + level) / 2);
  const p = successes / total;
  const scale = 1 + (z * z) / total;
  const middle = (p + (z * z) / (2 * total)) / scale;
  const half = (z / scale) * Math.sqrt((p * (1 - p)) / total + (z * z) / (4 * total * total));
  const low = successes === 0 ? 0 : middle - half;
  const high = successes === total ? 1 : middle + half;
  return { value: p, successes, total, low, high, level };
}
