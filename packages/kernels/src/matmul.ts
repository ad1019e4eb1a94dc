// The products of a linear layer y = x·wᵀ: forward, and what its backward needs.
import { type Floats, operations, type Weights } from "./cuda.js";

/** Sizes of a product, and what happens to the output. */
export interface MatmulOptions {
  m: number;
  n: number;
  k: number;
  /** Factor of the product; 1 by default. */
  alpha?: number;
  /** Add to the output instead of overwriting it. */
  accumulate?: boolean;
}

/**
 * y [m, n] (+)= alpha · x [m, k] · wᵀ, with w [n, k] in f32 or bf16 (Uint16Array). Sums are f32; their order depends on
 * the sizes and the instruction set, never on the number of threads. Overwrites y unless `accumulate`; y must not
 * overlap x or w.
 * @throws {TypeError | RangeError} for an argument of the wrong type or too short, by name.
 */
export function matmul(
  x: Floats,
  w: Weights,
  y: Floats,
  { m, n, k, alpha = 1, accumulate = false }: MatmulOptions,
): void {
  operations(x).matmul(m, n, k, alpha, accumulate, x, w, y);
}

/**
 * dx [m, k] (+)= alpha · dy [m, n] · w, with w [n, k] in f32 or bf16: the gradient of `matmul` with respect to x.
 * @throws {TypeError | RangeError} like `matmul`.
 */
export function matmulTransposed(
  dy: Floats,
  w: Weights,
  dx: Floats,
  { m, n, k, alpha = 1, accumulate = false }: MatmulOptions,
): void {
  operations(dy).matmulTransposed(m, n, k, alpha, accumulate, dy, w, dx);
}

/**
 * dw [n, k] (+)= alpha · dy [m, n]ᵀ · x [m, k]: the gradient of `matmul` with respect to w. Adds to dw unless
 * `accumulate` is false, since gradients of several batches are summed.
 * @throws {TypeError | RangeError} like `matmul`.
 */
export function matmulGradWeight(
  dy: Floats,
  x: Floats,
  dw: Floats,
  { m, n, k, alpha = 1, accumulate = true }: MatmulOptions,
): void {
  operations(dy).matmulGradWeight(m, n, k, alpha, accumulate, dy, x, dw);
}
