// The 16 values that a code stands for. Order is the format: value[code].

import { af4, bof4, bof4s, type Table } from "./codebook-tables.js";
import { checkBlockSize } from "./shape.js";
import type { Codebook, CodebookName } from "./types.js";

/** NF4: quantiles of the normal distribution with an exact 0 (QLoRA, arXiv 2305.14314; the constants are bitsandbytes'). */
const NF4 = [
  -1, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
  -0.09105003625154495, 0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
  0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1,
];

/** FP4 as bitsandbytes has it: sign, 2 exponent bits, 1 mantissa bit, in the order of the bits, over 12; its least value is 1/192. */
const FP4 = signed([0, 0.0625, 8, 12, 4, 6, 2, 3], 12);

/** E2M1 of the OCP Microscaling specification, over 6. */
const E2M1 = signed([0, 0.5, 1, 1.5, 2, 3, 4, 6], 6);

/** Symmetric integers −7 … 7 over 7, ascending; 0 has two codes, so that all 16 mean something. */
const INT4 = [-7, -6, -5, -4, -3, -2, -1, 0, 0, 1, 2, 3, 4, 5, 6, 7].map((k) => k / 7);

const fixed: Partial<Record<CodebookName, Float32Array>> = {
  nf4: new Float32Array(NF4),
  fp4: new Float32Array(FP4),
  e2m1: new Float32Array(E2M1),
  int4: new Float32Array(INT4),
};

const bySize: Partial<Record<CodebookName, Record<number, Float32Array>>> = {
  af4: rounded(af4),
  bof4: rounded(bof4),
  "bof4-s": rounded(bof4s),
};

/** The names accepted as `codebook`. */
export const codebookNames = [...Object.keys(fixed), ...Object.keys(bySize)] as CodebookName[];

/**
 * The 16 values of a codebook, as f32 in the order of their codes; af4, bof4 and bof4-s have their own for each block size.
 * Do not write to it.
 * @throws {RangeError} for an unknown name or block size. @throws {TypeError} for anything but a name or 16 finite values.
 */
export function levels(codebook: Codebook, blockSize = 64): Float32Array {
  if (typeof codebook === "string") {
    if (!codebookNames.includes(codebook))
      throw new RangeError(`codebook must be one of ${codebookNames.join(", ")}, got "${codebook}"`);
    return fixed[codebook] ?? bySize[codebook]![checkBlockSize(blockSize)]!;
  }
  if (!(codebook instanceof Float32Array) || codebook.length !== 16)
    throw new TypeError("codebook must be a name or a Float32Array of 16 values");
  const bad = codebook.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) throw new RangeError(`codebook[${bad}] is ${codebook[bad]}, must be finite`);
  return codebook;
}

/** True where the scale carries the sign of the largest weight, so that this weight is always level 1. */
export function signedScale(codebook: Codebook): boolean {
  return codebook === "bof4-s";
}

function signed(magnitudes: number[], divisor: number): number[] {
  return [...magnitudes, ...magnitudes.map((m) => (m === 0 ? 0 : -m))].map((m) => m / divisor);
}

function rounded(table: Table): Record<number, Float32Array> {
  return Object.fromEntries(Object.entries(table).map(([blockSize, values]) => [blockSize, new Float32Array(values)]));
}
