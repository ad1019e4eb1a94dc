// The dense products in plain TypeScript, summed in float64: the oracle of the tests and the fallback without an addon.
import type { MatmulOptions } from "./matmul.js";

type Weights = Float32Array | Uint16Array;

const word = new Uint32Array(1);
const float = new Float32Array(word.buffer);

/** Element i of f32 or bf16 weights. */
function weight(w: Weights, i: number): number {
  if (w instanceof Float32Array) return w[i]!;
  word[0] = w[i]! << 16;
  return float[0]!;
}

/** y [m, n] (+)= alpha · x [m, k] · w [n, k]ᵀ */
export function matmul(x: Float32Array, w: Weights, y: Float32Array, options: MatmulOptions): void {
  const { m, n, k, alpha = 1, accumulate = false } = options;
  for (let i = 0; i < m; i++)
    for (let j = 0; j < n; j++) {
      let sum = 0;
      for (let l = 0; l < k; l++) sum += x[i * k + l]! * weight(w, j * k + l);
      y[i * n + j] = (accumulate ? y[i * n + j]! : 0) + alpha * sum;
    }
}

/** dx [m, k] (+)= alpha · dy [m, n] · w [n, k] */
export function matmulTransposed(dy: Float32Array, w: Weights, dx: Float32Array, options: MatmulOptions): void {
  const { m, n, k, alpha = 1, accumulate = false } = options;
  for (let i = 0; i < m; i++)
    for (let l = 0; l < k; l++) {
      let sum = 0;
      for (let j = 0; j < n; j++) sum += dy[i * n + j]! * weight(w, j * k + l);
      dx[i * k + l] = (accumulate ? dx[i * k + l]! : 0) + alpha * sum;
    }
}

const group = 64;
const { abs, fround } = Math;

/** The operands of gemm_int8.h: integers of a group, at these places, and their scale; rounding is to nearest even. */
function eight(value: (i: number) => number, count: number): { q: number[]; scale: number } {
  const values = Array.from({ length: count }, (_, i) => value(i));
  const largest = values.some(Number.isNaN) ? Number.NaN : values.reduce((most, v) => Math.max(most, abs(v)), 0);
  const inverse = largest > 0 ? fround(127 / largest) : 0;
  const q = values.map((v) => fround(fround(v * inverse) + 12582912) - 12582912);
  return { q, scale: fround(largest / 127) };
}

/** out [m, columns] (+)= alpha · left [m, depth] · b, both in 8 bits; b[i, c] = w[at(i, c)] */
function productInt8(
  left: Float32Array,
  w: Weights,
  out: Float32Array,
  {
    m,
    depth,
    columns,
    alpha = 1,
    accumulate = false,
  }: { m: number; depth: number; columns: number; alpha?: number | undefined; accumulate?: boolean | undefined },
  at: (i: number, c: number) => number,
): void {
  const sums = new Float32Array(m * columns);
  for (let begin = 0; begin < depth; begin += group) {
    const count = Math.min(group, depth - begin);
    const rows = Array.from({ length: m }, (_, i) => eight((j) => left[i * depth + begin + j]!, count));
    for (let c = 0; c < columns; c++) {
      const b = eight((j) => weight(w, at(begin + j, c)), count);
      for (const [i, a] of rows.entries()) {
        const sum = a.q.reduce((sum, q, j) => sum + q * b.q[j]!, 0);
        sums[i * columns + c]! += fround(sum * a.scale) * b.scale;
      }
    }
  }
  for (let i = 0; i < sums.length; i++) out[i] = (accumulate ? out[i]! : 0) + alpha * sums[i]!;
}

/** `matmul` with both operands in 8 bits. */
export function matmulInt8(x: Float32Array, w: Weights, y: Float32Array, options: MatmulOptions): void {
  const { m, n, k, alpha, accumulate } = options;
  productInt8(x, w, y, { m, depth: k, columns: n, alpha, accumulate }, (i, c) => c * k + i);
}

/** `matmulTransposed` with both operands in 8 bits. */
export function matmulTransposedInt8(dy: Float32Array, w: Weights, dx: Float32Array, options: MatmulOptions): void {
  const { m, n, k, alpha, accumulate } = options;
  productInt8(dy, w, dx, { m, depth: n, columns: k, alpha, accumulate }, (i, c) => i * k + c);
}

/** dw [n, k] (+)= alpha · dy [m, n]ᵀ · x [m, k] */
export function matmulGradWeight(dy: Float32Array, x: Float32Array, dw: Float32Array, options: MatmulOptions): void {
  const { m, n, k, alpha = 1, accumulate = true } = options;
  for (let j = 0; j < n; j++)
    for (let l = 0; l < k; l++) {
      let sum = 0;
      for (let i = 0; i < m; i++) sum += dy[i * n + j]! * x[i * k + l]!;
      dw[j * k + l] = (accumulate ? dw[j * k + l]! : 0) + alpha * sum;
    }
}
