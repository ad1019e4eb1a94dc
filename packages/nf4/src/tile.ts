// Weights re-ordered once for the products: the same codes and scales, in the order in which both directions read them.
import { simd } from "./kernels.js";
import { native } from "./native.js";
import * as reference from "./products_reference.js";
import { checkTensor } from "./shape.js";
import type { Codebook, NestedScales, QuantizedTensor } from "./types.js";

/** A quantised matrix in tiles of 16 × 8 weights: as many bytes as the tensor it was made from. */
export interface TiledWeights {
  layout: "tiles";
  /** [n/16][k/8][16 rows][4 bytes]: two codes a byte, the first in the high nibble. */
  tiles: Uint8Array;
  /** [n, k] */
  shape: number[];
  codebook: Codebook;
  blockSize: number;
  /** Like those of `QuantizedTensor`, but [n/16][k/blockSize][16]; the absmax within nested scales keeps its order. */
  absmax: Float32Array | undefined;
  nested: NestedScales | undefined;
  shift?: Float32Array | undefined;
  nestedShift?: NestedScales | undefined;
}

/**
 * Re-orders a quantised matrix for speed. Results of products may differ from those of `q` in the last bits only.
 * Drop `q` afterwards: the result holds all of it, and `untile` gives it back exactly.
 * @returns `q` itself where tiles do not fit: unless n is a multiple of 16 and k one of blockSize.
 */
export function tile(q: QuantizedTensor): QuantizedTensor | TiledWeights {
  checkTensor(q);
  const [n, k] = q.shape as [number, number];
  if (q.shape.length !== 2 || n % 16 || k % q.blockSize || q.blockSize % 16) return q;
  const tiles = aligned(q.codes.length);
  kernels().retile4(false, n, k, q.codes, tiles);
  const { shape, codebook, blockSize } = q;
  return {
    layout: "tiles",
    tiles,
    shape: [...shape],
    codebook,
    blockSize,
    ...retileValues(q, n, k / blockSize, false),
  };
}

/** The tensor that `tile` was given. A tensor without tiles is returned as it is. */
export function untile(w: QuantizedTensor | TiledWeights): QuantizedTensor {
  if (!("layout" in w)) return w;
  const [n, k] = w.shape as [number, number];
  const codes = new Uint8Array(w.tiles.length);
  kernels().retile4(true, n, k, w.tiles, codes);
  const { shape, codebook, blockSize } = w;
  return { codes, shape: [...shape], codebook, blockSize, ...retileValues(w, n, k / blockSize, true) };
}

/** An array that begins with a cache line, so that a tile is read in one go. */
function aligned(length: number): Uint8Array {
  const line = 64;
  const buffer = new ArrayBuffer(length + line);
  const begin = (line - kernels().misalignment(new Uint8Array(buffer))) % line;
  return new Uint8Array(buffer, begin, length);
}

type Values = Pick<QuantizedTensor, "absmax" | "nested" | "shift" | "nestedShift">;

/** Scales and shifts of [n][blocks] to [n/16][blocks][16], or `back`. */
function retileValues(
  { absmax, nested, shift, nestedShift }: Values,
  n: number,
  blocks: number,
  back: boolean,
): Values {
  const move = <T extends Float32Array | Uint8Array>(values: T): T => {
    const out = values.slice() as T;
    for (let i = 0; i < n; i++)
      for (let j = 0; j < blocks; j++) {
        const tiled = reference.tileValue(i, j, blocks);
        if (back) out[i * blocks + j] = values[tiled]!;
        else out[tiled] = values[i * blocks + j]!;
      }
    return out;
  };
  return {
    absmax: absmax && move(absmax),
    nested: nested && { ...nested, codes: move(nested.codes) },
    ...(shift && { shift: move(shift) }),
    ...(nestedShift && { nestedShift: { ...nestedShift, codes: move(nestedShift.codes) } }),
  };
}

function kernels(): Pick<typeof reference, "retile4" | "misalignment"> {
  return simd() === "reference" ? reference : native!;
}
