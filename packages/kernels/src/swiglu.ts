// SwiGLU and its backward.
import { native } from "./native.js";

/** `y = silu(gate) · up`, `silu(g) = g / (1 + e^−g)` (arXiv 2002.05202). All `[n]`; `y` may be `gate` or `up`. */
export function swiglu(gate: Float32Array, up: Float32Array, y: Float32Array, { n }: { n: number }): void {
  native.swiglu(n, gate, up, y);
}

/**
 * `dup = dy · silu(gate)`, `dgate = dy · up · σ(gate) · (1 + gate · (1 − σ(gate)))`. All `[n]`; `dgate` and `dup` are
 * overwritten and may be any of the inputs.
 */
export function swigluBackward(
  dy: Float32Array,
  gate: Float32Array,
  up: Float32Array,
  dgate: Float32Array,
  dup: Float32Array,
  { n }: { n: number },
): void {
  native.swigluBackward(n, dy, gate, up, dgate, dup);
}
