// The 8-bit blockwise codec: one code a value through 256 levels, one f32 scale a block.
import { dynamicMapSigned } from "./dynamic-map.js";
import { kernels } from "./kernels.js";
import { array, blocks, describe } from "./shape.js";
import { unfilled } from "./unfilled.js";

/** Value i is map[codes[i]]·absmax[⌊i/blockSize⌋], in f32. */
export interface Blockwise {
  codes: Uint8Array;
  /** [⌈n/blockSize⌉] The largest magnitude of each block. */
  absmax: Float32Array;
  /** [256] levels, ascending. */
  map: Float32Array;
  blockSize: number;
}

export interface BlockwiseOptions {
  /** [256] ascending levels; `dynamicMapSigned` unless given. `dynamicMapUnsigned` suits values ≥ 0. */
  map?: Float32Array | undefined;
  /** Any whole number ≥ 1; 256 unless given. */
  blockSize?: number | undefined;
}

/**
 * Quantises to 8 bits: the code of the level nearest to x·(1/absmax); a midpoint belongs to the lower level.
 * @throws {TypeError|RangeError} naming the argument and the numbers; values must be finite.
 */
export function quantizeBlockwise(values: Float32Array, options: BlockwiseOptions = {}): Blockwise {
  const { map = dynamicMapSigned, blockSize = 256 } = options;
  if (!(values instanceof Float32Array)) throw new TypeError(`values must be a Float32Array, got ${describe(values)}`);
  checkBlockwise(map, blockSize);
  const n = values.length;
  const codes = unfilled(Uint8Array, n);
  const absmax = new Float32Array(blocks(n, blockSize));
  const bad = kernels().quantizeBlockwise(values, n, blockSize, map, 0, absmax, codes);
  if (bad >= 0) {
    const i = values.findIndex((value) => !Number.isFinite(value));
    throw new RangeError(`values[${i}] is ${values[i]}; values must be finite`);
  }
  return { codes, absmax, map, blockSize };
}

/** The values that an 8-bit blockwise quantisation stands for, into `out` or a new array. */
export function dequantizeBlockwise(q: Blockwise, { out }: { out?: Float32Array | undefined } = {}): Float32Array {
  checkBlockwise(q.map, q.blockSize);
  const n = array(q.codes, Uint8Array, "q.codes", q.codes?.length).length;
  array(q.absmax, Float32Array, "q.absmax", blocks(n, q.blockSize));
  const result = out ?? unfilled(Float32Array, n);
  if (!(result instanceof Float32Array)) throw new TypeError(`out must be a Float32Array, got ${describe(out)}`);
  if (result.length < n) throw new RangeError(`out has ${result.length} elements, needs ${n}`);
  kernels().dequantizeBlockwise(q.codes, n, q.blockSize, q.map, q.absmax, 0, result);
  return result;
}

function checkBlockwise(map: Float32Array, blockSize: number): void {
  if (typeof blockSize !== "number") throw new TypeError(`blockSize must be a number, got ${describe(blockSize)}`);
  if (!Number.isSafeInteger(blockSize) || blockSize < 1)
    throw new RangeError(`blockSize must be a whole number ≥ 1, got ${blockSize}`);
  array(map, Float32Array, "map", 256);
  for (let i = 0; i < 256; i++) {
    if (!Number.isFinite(map[i])) throw new RangeError(`map[${i}] is ${map[i]}, must be finite`);
    if (i > 0 && map[i]! < map[i - 1]!)
      throw new RangeError(`map must ascend, but map[${i}] = ${map[i]} is below map[${i - 1}] = ${map[i - 1]}`);
  }
}
