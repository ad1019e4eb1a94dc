// Products with activations in 8 bits, in plain TypeScript: the same integers as gemm_int8.h with the groups of int8_panels.h.
//
// Of every row of x and group of 64 along the reduction: x ≈ xs·xq, xs = max|x|/127, xq = round(x/xs). Of every group of weights
// and column: w ≈ ws·wq with wq in −127 … 127. y = Σ groups (Σ xq·wq)·xs·ws. Rounding is to nearest even.

const { abs, fround, max, min } = Math;
const group = 64;

/** W [n, k], its levels before scaling and their scales, the 16 levels, and the factor that takes them to 8 bits. */
export interface Weights8 {
  w: Float32Array;
  level: Float32Array;
  scales: Float32Array;
  levels: Float32Array;
  levelScale: number;
}

/**
 * x [m, k]·Wᵀ, or transposed x [m, n]·W. How a group of a column becomes wq and ws:
 * - forward, one scale s: wq = round(levelScale·level), ws = s/levelScale
 * - backward, a scale for each: v = round(level·scale·32767/t), t = max|scale|·max|levels|; wq = (v·f + 2^14) >> 15 with the
 *   largest f for which |wq| ≤ 127; ws = t/32767·2^15/f. Scales of a group are those of 64 rows of W.
 * - general: wq = round(w·127/t), t = max|w|, ws = t/127
 */
export function int8Product(
  way: "forward" | "backward" | "general",
  transposed: boolean,
  m: number,
  n: number,
  k: number,
  x: Float32Array,
  weights: Weights8,
): Float32Array {
  const [depth, columns] = transposed ? [n, k] : [k, n];
  const sums = new Float32Array(m * columns);
  const xq = new Int32Array(group);
  const wq = new Int32Array(group);
  for (let begin = 0; begin < depth; begin += group) {
    const size = min(group, depth - begin);
    const rows = Array.from({ length: m }, (_, i) => {
      const from = i * depth + begin;
      const xs = roundTo8(x.subarray(from, from + size), xq);
      return { xs, xq: xq.slice(0, size) };
    });
    for (let c = 0; c < columns; c++) {
      const at = Array.from({ length: size }, (_, i) => (transposed ? (begin + i) * k + c : c * k + begin + i));
      const ws = weightsTo8(way, weights, at, wq);
      for (let i = 0; i < m; i++) {
        let sum = 0;
        for (let j = 0; j < size; j++) sum += rows[i]!.xq[j]! * wq[j]!;
        sums[i * columns + c]! += fround(sum * rows[i]!.xs) * ws;
      }
    }
  }
  return sums;
}

/** The factor with which the levels, rounded to integers up to 127, are closest to themselves. */
export function levelScale(levels: Float32Array): number {
  const largest = levels.reduce((most, level) => max(most, abs(level)), 0);
  if (largest === 0) return 1;
  let best = { scale: 0, error: Number.POSITIVE_INFINITY };
  for (let top = 90; top < 127.5; top += 0.01) {
    const scale = fround(top / largest);
    let error = 0;
    for (const level of levels) error += (round(fround(level * scale)) / scale - level) ** 2;
    if (error < best.error) best = { scale, error };
  }
  return best.scale;
}

function weightsTo8(way: string, weights: Weights8, at: number[], wq: Int32Array): number {
  const { w, level, scales, levels, levelScale } = weights;
  if (way === "general")
    return roundTo8(
      Float32Array.from(at, (i) => w[i]!),
      wq,
    );
  if (way === "forward") {
    at.forEach((i, j) => {
      wq[j] = round(fround(level[i]! * levelScale));
    });
    return fround(scales[at[0]!]! / levelScale);
  }
  const most = at.reduce((s, i) => max(s, abs(scales[i]!)), 0);
  const bound = fround(most * levels.reduce((l, value) => max(l, abs(value)), 0));
  const inverse = bound > 0 ? fround(32767 / bound) : 0;
  const v = at.map((i) => round(fround(level[i]! * fround(scales[i]! * inverse))));
  const largest = v.reduce((l, value) => max(l, abs(value)), 1);
  const factor = min(Math.floor((127 * 32768 + 16383) / largest), 32767);
  v.forEach((value, j) => {
    wq[j] = (value * factor + 16384) >> 15;
  });
  return fround(fround(bound / 32767) * fround(32768 / factor));
}

/** q = round(v·127/max|v|); returns max|v|/127. */
function roundTo8(v: Float32Array, q: Int32Array): number {
  let most = 0;
  for (const value of v) most = max(most, abs(value));
  const inverse = most > 0 ? fround(127 / most) : 0;
  for (let i = 0; i < v.length; i++) q[i] = round(fround(v[i]! * inverse));
  return fround(most / 127);
}

/** To the nearest integer, ties to even: f32 numbers near 1.5·2^23 are whole. */
function round(v: number): number {
  return fround(v + 12582912) - 12582912;
}
