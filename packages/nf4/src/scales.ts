// One f32 per block and its 8-bit form (double quantisation, bitsandbytes' nested absmax).
import { dynamicMapSigned } from "./dynamic-map.js";
import { kernels } from "./kernels.js";
import { array, checkNested } from "./shape.js";
import type { NestedScales, QuantizedTensor } from "./types.js";
import { unfilled } from "./unfilled.js";

/**
 * Double quantisation: 8 bits each through the signed dynamic map in blocks of 256, after subtracting the mean (`centre`,
 * true unless given). `out`, of as many values, is overwritten and returned instead of a new object.
 */
export function nest(
  values: Float32Array,
  { centre = true, out }: { centre?: boolean; out?: NestedScales | undefined } = {},
): NestedScales {
  const count = array(values, Float32Array, "values", values?.length).length;
  const offset = centre ? kernels().mean(values, count) : 0;
  if (out) checkNested(out, "out", count);
  const codes = out?.codes ?? unfilled(Uint8Array, count);
  const absmax = out?.absmax ?? new Float32Array(Math.ceil(count / 256));
  const bad = kernels().quantizeBlockwise(values, count, 256, dynamicMapSigned, offset, absmax, codes);
  if (bad >= 0)
    throw new RangeError(`values[${256 * bad}] to [${Math.min(count, 256 * bad + 256) - 1}] are not all finite`);
  return Object.assign(out ?? {}, { codes, absmax, offset, map: dynamicMapSigned, blockSize: 256 as const });
}

/** The f32 values that nested scales stand for. */
export function unnest({ codes, absmax, offset, map, blockSize }: NestedScales): Float32Array {
  const out = unfilled(Float32Array, codes.length);
  kernels().dequantizeBlockwise(codes, codes.length, blockSize, map, absmax, offset, out);
  return out;
}

/** [blocks] The scales of a tensor in f32, whichever way they are stored. */
export function scales(q: QuantizedTensor): Float32Array {
  return q.absmax ?? unnest(q.nested!);
}

/** [blocks] The shifts of a tensor in f32, or undefined where it has none. */
export function shifts(q: QuantizedTensor): Float32Array | undefined {
  return q.shift ?? (q.nestedShift && unnest(q.nestedShift));
}
