// Normal and Student t distributions: cumulative probability and quantile, to about 1e-12.
//
// Incomplete beta function by its continued fraction (Abramowitz and Stegun 26.5.8, Lentz's method); the normal through the
// incomplete gamma function P(1/2, x²/2) (A&S 6.5.29 and 6.5.31); quantiles by safeguarded Newton steps on the cumulative.

/** P(Z ≤ z) of the standard normal. */
export function normalCdf(z: number): number {
  if (Number.isNaN(z)) return Number.NaN;
  const tail = 0.5 * gammaQHalf((z * z) / 2);
  return z > 0 ? 1 - tail : tail;
}

/** The z with P(Z ≤ z) = p, 0 < p < 1. */
export function normalQuantile(p: number): number {
  checkProbability(p);
  if (p > 0.5) return -normalQuantile(1 - p);
  return solve(p, normalCdf, (z) => Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI));
}

/** P(T ≤ t) of Student's t with `df` > 0 degrees of freedom. */
export function studentCdf(t: number, df: number): number {
  checkDf(df);
  if (Number.isNaN(t)) return Number.NaN;
  if (!Number.isFinite(t)) return t > 0 ? 1 : 0;
  const tail = 0.5 * incompleteBeta(df / (df + t * t), df / 2, 0.5);
  return t > 0 ? 1 - tail : tail;
}

/** The t with P(T ≤ t) = p, 0 < p < 1. */
export function studentQuantile(p: number, df: number): number {
  checkProbability(p);
  checkDf(df);
  if (p > 0.5) return -studentQuantile(1 - p, df);
  const logScale = logGamma((df + 1) / 2) - logGamma(df / 2) - 0.5 * Math.log(df * Math.PI);
  return solve(
    p,
    (t) => studentCdf(t, df),
    (t) => Math.exp(logScale - ((df + 1) / 2) * Math.log1p((t * t) / df)),
  );
}

/** Root of cdf(x) = p for p ≤ 1/2, so x ≤ 0: Newton, falling back to bisection when a step leaves the bracket. */
function solve(p: number, cdf: (x: number) => number, density: (x: number) => number): number {
  if (p === 0.5) return 0;
  let low = -1;
  while (cdf(low) > p) low *= 2;
  let high = 0;
  let x = low / 2;
  for (let i = 0; i < 200; i++) {
    const error = cdf(x) - p;
    if (error > 0) high = x;
    else low = x;
    let next = x - error / density(x);
    if (!(next > low && next < high)) next = (low + high) / 2;
    if (Math.abs(next - x) <= 1e-15 * Math.abs(x)) return next;
    x = next;
  }
  return x;
}

/** Q(1/2, x) = erfc(√x). */
function gammaQHalf(x: number): number {
  if (x === 0) return 1;
  if (!Number.isFinite(x)) return 0;
  const scale = Math.exp(-x) * Math.sqrt(x / Math.PI); // e⁻ˣ xᵃ / Γ(a), a = 1/2
  if (x < 1.5) {
    let term = 2; // 1/a
    let sum = term;
    for (let k = 1; term > sum * 1e-17; k++) {
      term *= x / (0.5 + k);
      sum += term;
    }
    return 1 - scale * sum;
  }
  let b = x + 0.5;
  let c = 1e300;
  let d = 1 / b;
  let h = d;
  for (let k = 1; k < 500; k++) {
    const a = -k * (k - 0.5);
    b += 2;
    d = 1 / (a * d + b);
    c = b + a / c;
    h *= d * c;
    if (Math.abs(d * c - 1) < 1e-16) break;
  }
  return scale * h;
}

/** Regularised incomplete beta function I_x(a, b). */
function incompleteBeta(x: number, a: number, b: number): number {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  if (x > (a + 1) / (a + b + 2)) return 1 - incompleteBeta(1 - x, b, a);
  const scale = Math.exp(logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log1p(-x)) / a;
  let c = 1;
  let d = 1 / (1 - ((a + b) * x) / (a + 1));
  let h = d;
  for (let m = 1; m < 1000; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / (1 + even * d);
    c = 1 + even / c;
    h *= d * c;
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / (1 + odd * d);
    c = 1 + odd / c;
    h *= d * c;
    if (Math.abs(d * c - 1) < 1e-16) break;
  }
  return scale * h;
}

/** ln Γ(x), x > 0: Stirling's series (A&S 6.1.41) after raising x above 15 by the recurrence. */
function logGamma(x: number): number {
  let shift = 0;
  while (x < 15) {
    shift -= Math.log(x);
    x += 1;
  }
  const r = 1 / (x * x);
  const series = 1 / 12 - r * (1 / 360 - r * (1 / 1260 - r * (1 / 1680 - r * (1 / 1188 - r * (691 / 360360)))));
  return shift + (x - 0.5) * Math.log(x) - x + 0.5 * Math.log(2 * Math.PI) + series / x;
}

function checkProbability(p: number): void {
  if (!(p > 0 && p < 1)) throw new RangeError(`a probability must lie between 0 and 1, got ${p}`);
}

function checkDf(df: number): void {
  if (!(df > 0)) throw new RangeError(`degrees of freedom must be positive, got ${df}`);
}
