// Scales, shifts and codes of one part of a tensor after another; quantize, quantizeAsync and quantizeStream are loops over this.
import { dynamicMapSigned } from "./dynamic-map.js";
import { bf16ToNumber, f16ToNumber } from "./half.js";
import { kernels } from "./kernels.js";
import type { Plan } from "./plan.js";
import { nest, unnest } from "./scales.js";
import { array, blocks, checkNested, describe } from "./shape.js";
import type { NestedScales, QuantizedTensor, Weights } from "./types.js";
import { unfilled } from "./unfilled.js";

/** Where a part's results go; the arrays of a whole tensor, or of the part alone. */
export interface Encoded {
  codes: Uint8Array;
  absmax: Float32Array;
  shift: Float32Array | undefined;
  nestedShift: NestedScales | undefined;
  /** The tensor whose arrays these are, where the caller gave one. */
  out: QuantizedTensor | undefined;
}

/** Parts begin at multiples of this many elements, so that each group of 256 blocks lies in one part. */
export function granule(plan: Plan): number {
  return 256 * plan.blockSize;
}

/** Room for the results of n elements, in `out` where given, or for their scales alone (coded = 0). */
export function allocate(
  plan: Plan,
  n: number,
  { coded = n, out }: { coded?: number; out?: QuantizedTensor | undefined } = {},
): Encoded {
  if (out !== undefined) checkOut(plan, out);
  const count = blocks(n, plan.blockSize);
  const nested = (given?: NestedScales): NestedScales => ({
    codes: given?.codes ?? unfilled(Uint8Array, count),
    absmax: given?.absmax ?? new Float32Array(blocks(count, 256)),
    offset: 0,
    map: dynamicMapSigned,
    blockSize: 256,
  });
  const { information, doubleQuant } = plan;
  return {
    codes: out?.codes ?? unfilled(Uint8Array, blocks(coded, 2)),
    absmax: (doubleQuant ? undefined : out?.absmax) ?? unfilled(Float32Array, count),
    shift: information && !doubleQuant ? (out?.shift ?? new Float32Array(count)) : undefined,
    nestedShift: information && doubleQuant ? nested(out?.nestedShift) : undefined,
    out,
  };
}

/** @throws {TypeError|RangeError} unless `out` has the arrays of a tensor of this plan. */
function checkOut({ n, count, doubleQuant, information }: Plan, out: QuantizedTensor): void {
  if (typeof out !== "object" || out === null)
    throw new TypeError(`out must be a quantised tensor, got ${describe(out)}`);
  array(out.codes, Uint8Array, "out.codes", blocks(n, 2));
  if (doubleQuant) checkNested(out.nested!, "out.nested", count);
  else array(out.absmax, Float32Array, "out.absmax", count);
  if (!information) return;
  if (doubleQuant) checkNested(out.nestedShift!, "out.nestedShift", count);
  else array(out.shift, Float32Array, "out.shift", count);
}

/**
 * Encodes `weights`, which begin at element `at` of the results (a multiple of the granule) and at element `origin` of what the
 * caller handed in (for messages). @throws {RangeError} naming the first weight that is not finite.
 */
export function encode(plan: Plan, weights: Weights, results: Encoded, at: number, origin = at): void {
  const { half, blockSize, levels, signed, factors } = plan;
  const n = weights.length;
  const first = at / blockSize;
  const last = first + blocks(n, blockSize);
  const codes = results.codes.subarray(at / 2, Math.ceil((at + n) / 2));
  const absmax = results.absmax.subarray(first, last);
  const shift = plan.information ? shifts(plan, weights, results, first, last, origin) : null;
  const bad = kernels().quantize(weights, half, n, blockSize, levels, signed, shift, factors, absmax, codes);
  if (bad >= 0) throw notFinite(plan, weights, bad * blockSize, origin);
}

/**
 * The shifts of blocks [first, last). They are rounded to 8 bits before any code is taken, so that decoding adds what encoding
 * subtracted; where the rounded one would lose entropy against none, it becomes 0.
 */
function shifts(
  plan: Plan,
  weights: Weights,
  results: Encoded,
  first: number,
  last: number,
  origin: number,
): Float32Array {
  const { half, blockSize, levels, signed } = plan;
  const n = weights.length;
  const costs = entropyCosts(blockSize);
  const shift = new Float32Array(last - first);
  const bad = kernels().searchShifts(weights, half, n, blockSize, levels, signed, fractions, costs, shift);
  if (bad >= 0) throw notFinite(plan, weights, bad * blockSize, origin);
  if (!results.nestedShift) {
    results.shift!.set(shift, first);
    return shift;
  }
  const nested = nest(shift, { centre: false });
  const rounded = unnest(nested);
  kernels().guardShifts(weights, half, n, blockSize, levels, signed, costs, rounded);
  const zero = nested.map.indexOf(0);
  for (let b = 0; b < rounded.length; b++) if (rounded[b] === 0) nested.codes[b] = zero;
  results.nestedShift.codes.set(nested.codes, first);
  results.nestedShift.absmax.set(nested.absmax, first / 256);
  return rounded;
}

/** What the results say as a tensor, `out` where given. */
export function finish(plan: Plan, { codes, absmax, shift, nestedShift, out }: Encoded): QuantizedTensor {
  const { shape, codebook, blockSize } = plan;
  const scales = plan.doubleQuant
    ? { absmax: undefined, nested: nest(absmax, { out: out?.nested }) }
    : { absmax, nested: undefined };
  const tensor: QuantizedTensor = { codes, shape, codebook, blockSize, ...scales };
  if (shift) tensor.shift = shift;
  if (nestedShift) tensor.nestedShift = nestedShift;
  return out ? Object.assign(out, { shift: undefined, nestedShift: undefined }, tensor) : tensor;
}

/** 201 fractions of a block's reach on either side of its median: ±λ·σ, λ = 0.1, σ = 1/Φ⁻¹(0.9677083) (IR-QLoRA's code). */
const fractions = Float32Array.from({ length: 201 }, (_, i) => ((i - 100) / 100) * 0.1 * 0.5410845);

/** [n + 1] c·log2 c for counts c, in steps of 2^-30: sums of 16 are then exact, whatever their order. */
function entropyCosts(n: number): Float64Array {
  return Float64Array.from({ length: n + 1 }, (_, c) => (c ? Math.round(c * Math.log2(c) * 2 ** 30) / 2 ** 30 : 0));
}

function notFinite({ half, blockSize }: Plan, weights: Weights, begin: number, origin: number): RangeError {
  for (let i = begin; i < Math.min(weights.length, begin + blockSize); i++) {
    const word = weights[i]!;
    const value = weights instanceof Float32Array ? word : half === "bf16" ? bf16ToNumber(word) : f16ToNumber(word);
    if (!Number.isFinite(value)) return new RangeError(`weights[${origin + i}] is ${value}; weights must be finite`);
  }
  return new RangeError(`weights[${origin + begin}] begins a block that overflows f32 under its shift`);
}
