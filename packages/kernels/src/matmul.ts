// The products of a linear layer y = x·wᵀ: forward, and what its backward needs.
import { type Floats, operations, type Weights } from "./cuda.js";
import { native } from "./native.js";

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

/** How a product with frozen weights is computed. */
export interface ComputeOptions {
  /**
   * "f32" unless given. "int8", on the CPU, rounds both operands to 8 bits with a scale for every row (of w in `matmulTransposed`: column)
   * and 64 elements of the reduction, and multiplies integers: two to three times as fast for a hundred rows and more where the processor has dot
   * products of bytes, with an error of about 0.8 % of the result for normal operands.
   */
  compute?: "f32" | "int8";
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
  { m, n, k, alpha = 1, accumulate = false, compute = "f32" }: MatmulOptions & ComputeOptions,
): void {
  if (isInt8(compute, x)) native.matmulInt8(m, n, k, alpha, accumulate, x, w as Float32Array, y as Float32Array);
  else operations(x).matmul(m, n, k, alpha, accumulate, x, w, y);
}

/**
 * dx [m, k] (+)= alpha · dy [m, n] · w, with w [n, k] in f32 or bf16: the gradient of `matmul` with respect to x.
 * @throws {TypeError | RangeError} like `matmul`.
 */
export function matmulTransposed(
  dy: Floats,
  w: Weights,
  dx: Floats,
  { m, n, k, alpha = 1, accumulate = false, compute = "f32" }: MatmulOptions & ComputeOptions,
): void {
  if (isInt8(compute, dy))
    native.matmulTransposedInt8(m, n, k, alpha, accumulate, dy, w as Float32Array, dx as Float32Array);
  else operations(dy).matmulTransposed(m, n, k, alpha, accumulate, dy, w, dx);
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

/** Whether to compute in 8 bits. @throws {RangeError} where there is no such product */
function isInt8(compute: unknown, left: Floats): left is Float32Array {
  if (compute !== "f32" && compute !== "int8")
    throw new RangeError(`compute must be "f32" or "int8", got ${JSON.stringify(compute)}`);
  if (compute === "int8" && operations(left) !== native)
    throw new RangeError('compute "int8" is for arrays of the CPU; leave it out for arrays of a device');
  return compute === "int8";
}
