// Equivalence: two one-sided t tests (Schuirmann 1987). "Not significantly different" is no evidence of sameness; TOST is: it
// rejects the hypothesis that the true difference lies outside ±margin.
import { checkLevel, type Interval } from "./bootstrap.js";
import { mean, standardDeviation } from "./describe.js";
import { studentCdf, studentQuantile } from "./distributions.js";

export interface Equivalence {
  /** Whether the difference lies within ±margin, at significance `alpha`. */
  equivalent: boolean;
  /** Mean of a − b. */
  difference: number;
  margin: number;
  alpha: number;
  /** The larger of the two one-sided p values. */
  p: number;
  /** p of H₀: difference ≤ −margin, and of H₀: difference ≥ +margin. */
  pLower: number;
  pUpper: number;
  /** The 1 − 2·alpha interval; equivalence at `alpha` is this interval inside (−margin, margin). */
  interval: Interval;
  /** Two-sided p of "the difference is zero", for comparison. */
  pDifferent: number;
  n: number;
}

/**
 * Paired TOST of `a` and `b` (same seeds, same questions, …) with `margin` in their unit, decided before looking.
 * @throws RangeError on unequal lengths, fewer than two pairs, or a margin that is not positive
 */
export function pairedTost(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  { margin, alpha = 0.05 }: { margin: number; alpha?: number },
): Equivalence {
  if (a.length !== b.length) throw new RangeError(`pairedTost: ${a.length} values against ${b.length}`);
  if (!(margin > 0 && Number.isFinite(margin)))
    throw new RangeError(`pairedTost: margin must be positive, got ${margin}`);
  checkLevel(alpha);
  const n = a.length;
  const d = Float64Array.from({ length: n }, (_, i) => a[i]! - b[i]!);
  const sd = standardDeviation(d);
  const difference = mean(d);
  const se = sd / Math.sqrt(n);
  const df = n - 1;
  // se = 0 (all pairs differ by the same amount): t is ±∞ or 0/0, and the comparison with the margin is exact.
  const t = (x: number) => (x === 0 ? 0 : x / se);
  const pLower = studentCdf(-t(difference + margin), df);
  const pUpper = studentCdf(t(difference - margin), df);
  const p = Math.max(pLower, pUpper);
  const pDifferent = Math.min(1, 2 * studentCdf(-Math.abs(t(difference)), df));
  const half = studentQuantile(1 - alpha, df) * se;
  const interval = { low: difference - half, high: difference + half, level: 1 - 2 * alpha };
  return { equivalent: p < alpha, difference, margin, alpha, p, pLower, pUpper, interval, pDifferent, n };
}
