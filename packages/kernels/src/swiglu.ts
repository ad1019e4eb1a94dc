// SwiGLU and its backward.
import { type Floats, operations } from "./cuda.js";

/** `y = silu(gate) · up`, `silu(g) = g / (1 + e^−g)` (arXiv 2002.05202). All `[n]`; `y` may be `gate` or `up`. */
export function swiglu(gate: Floats, up: Floats, y: Floats, { n }: { n: number }): void {
  operations(gate).swiglu(n, gate, up, y);
}

/**
 * `dup = dy · silu(gate)`, `dgate = dy · up · σ(gate) · (1 + gate · (1 − σ(gate)))`. All `[n]`; `dgate` and `dup` are
 * overwritten and may be any of the inputs.
 */
export function swigluBackward(
  dy: Floats,
  gate: Floats,
  up: Floats,
  dgate: Floats,
  dup: Floats,
  { n }: { n: number },
): void {
  operations(dy).swigluBackward(n, dy, gate, up, dgate, dup);
}
