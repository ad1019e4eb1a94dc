// The adapters' part of linear layers that share an input (q, k, v; gate, up), forward and backward.
import { dropout, type Floats, matmul, matmulGradWeight, matmulTransposed } from "@qlora/kernels";
import type { Adapter } from "./adapter.js";

/** Dropout of the adapters' input. The mask is a function of seed and offset: never stored, and the same in a recomputation. */
export interface LoraDropout {
  /** Probability of a zero, 0 ≤ p < 1. */
  p: number;
  /** 64 bits: a bigint, or its high and low 32 bits. */
  seed: bigint | readonly [high: number, low: number];
  /** Place of x[0] in the seed's stream, in elements; 0 unless told. Take another for each step and layer. */
  offset?: number;
}

export interface LoraOptions {
  /** Rows of x: tokens. */
  m: number;
  /** Pass the same to forward, recomputation and backward. All adapters of the call share the mask. */
  dropout?: LoraDropout | undefined;
  /** At least `scratchSize(...)` elements; needed where that is not 0. Its content does not matter before or after. */
  scratch?: Floats | undefined;
}

/** Elements of `kept`: m times the ranks. */
export function keptSize(adapters: readonly Adapter<Floats>[], m: number): number {
  return adapters.reduce((sum, { r }) => sum + m * r, 0);
}

/** Elements of `scratch`, for forward and backward: a copy of x with dropout, and in the backward m times the ranks. */
export function scratchSize(
  adapters: readonly Adapter<Floats>[],
  { m, dropout, backward = true }: LoraOptions & { backward?: boolean },
): number {
  const input = dropout !== undefined && dropout.p > 0 ? m * (adapters[0]?.inFeatures ?? 0) : 0;
  return input + (backward ? keptSize(adapters, m) : 0);
}

/**
 * ys[i] [m, outᵢ] += sᵢ · (drop(x)·Aᵢᵀ) · Bᵢᵀ with x [m, in]; drop(x)·Aᵢᵀ [m, rᵢ] stays in `kept`, one after the other, for the backward.
 * Where ys[i] is null only `kept` is made: what a recomputation before the backward needs. Allocates nothing.
 * @throws {TypeError | RangeError} for arguments whose sizes do not fit, by name
 */
export function loraForward(
  x: Floats,
  adapters: readonly Adapter<Floats>[],
  ys: readonly (Floats | null)[],
  kept: Floats,
  options: LoraOptions,
): void {
  const { m } = options;
  const inFeatures = check(adapters, ys, "ys", kept, x, options, false);
  const input = dropped(x, m * inFeatures, options);
  let at = 0;
  for (const [i, { r, outFeatures, scaling, a, b }] of adapters.entries()) {
    const h = kept.subarray(at, at + m * r);
    at += m * r;
    matmul(input, a, h, { m, n: r, k: inFeatures });
    const y = ys[i];
    if (y) matmul(h, b, y, { m, n: outFeatures, k: r, alpha: scaling, accumulate: true });
  }
}

/**
 * The backward of `loraForward`, from dys[i] [m, outᵢ], x as it was and `kept` as the forward left it. With gᵢ = sᵢ·dyᵢ·Bᵢ [m, rᵢ]:
 * gradBᵢ += sᵢ·dyᵢᵀ·keptᵢ,  gradAᵢ += gᵢᵀ·drop(x),  dx [m, in] += drop'(Σ gᵢ·Aᵢ). Pass null for dx where no gradient goes further down.
 * Allocates nothing.
 * @throws {TypeError | RangeError} for arguments whose sizes do not fit, by name
 */
export function loraBackward(
  dys: readonly Floats[],
  x: Floats,
  adapters: readonly Adapter<Floats>[],
  kept: Floats,
  dx: Floats | null,
  options: LoraOptions,
): void {
  const { m, dropout: drop } = options;
  const inFeatures = check(adapters, dys, "dys", kept, x, options, true);
  const size = m * inFeatures;
  const input = dropped(x, size, options);
  const gradients = options.scratch!.subarray(input === x ? 0 : size);
  let at = 0;
  for (const [i, { r, outFeatures, scaling, b, gradA, gradB }] of adapters.entries()) {
    const h = kept.subarray(at, at + m * r);
    const g = gradients.subarray(at, at + m * r);
    at += m * r;
    matmulGradWeight(dys[i]!, h, gradB, { m, n: outFeatures, k: r, alpha: scaling, accumulate: true });
    matmulTransposed(dys[i]!, b, g, { m, n: outFeatures, k: r, alpha: scaling });
    matmulGradWeight(g, input, gradA, { m, n: r, k: inFeatures, accumulate: true });
  }
  if (dx === null) return;
  // drop(x) is no longer needed: its place takes Σ gᵢ·Aᵢ
  const target = input === x ? dx : input;
  at = 0;
  for (const [i, { r, a }] of adapters.entries()) {
    const g = gradients.subarray(at, at + m * r);
    at += m * r;
    matmulTransposed(g, a, target, { m, n: r, k: inFeatures, accumulate: input === x || i > 0 });
  }
  if (input !== x) dropout(input, dx, { ...drop!, n: size, accumulate: true });
}

/** x, or x with dropout in the first `n` elements of scratch. */
function dropped(x: Floats, n: number, { dropout: drop, scratch }: LoraOptions): Floats {
  if (drop === undefined || drop.p === 0) return x;
  const out = scratch!.subarray(0, n);
  dropout(x, out, { ...drop, n });
  return out;
}

function check(
  adapters: readonly Adapter<Floats>[],
  outer: readonly (Floats | null)[],
  outerName: string,
  kept: Floats,
  x: Floats,
  options: LoraOptions,
  backward: boolean,
): number {
  const { m, scratch } = options;
  const atLeast = (name: string, length: number, needed: number) => {
    if (length < needed) throw new RangeError(`${name} has ${length} elements, needs ${needed}`);
  };
  if (adapters.length === 0 || adapters.length !== outer.length)
    throw new RangeError(`${outerName} has ${outer.length} arrays for ${adapters.length} adapters, needs one for each`);
  if (!Number.isSafeInteger(m) || m < 1) throw new RangeError(`m must be a whole number ≥ 1, got ${m}`);
  const { inFeatures } = adapters[0]!;
  for (const [i, adapter] of adapters.entries()) {
    if (adapter.inFeatures !== inFeatures)
      throw new RangeError(`adapters[${i}] takes ${adapter.inFeatures} inputs, adapters[0] takes ${inFeatures}`);
    const array = outer[i];
    if (array) atLeast(`${outerName}[${i}]`, array.length, m * adapter.outFeatures);
    if (backward && (adapter.gradA.length === 0 || adapter.gradB.length === 0))
      throw new RangeError(`adapters[${i}] has no gradients; call zeroGradients first`);
  }
  atLeast("x", x.length, m * inFeatures);
  atLeast("kept", kept.length, keptSize(adapters, m));
  atLeast("scratch", scratch?.length ?? 0, scratchSize(adapters, { ...options, backward }));
  return inFeatures;
}
