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
