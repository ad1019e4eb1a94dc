// The quantised tensor: everything that is stored, and nothing that can be derived.

/** Codebooks known by name; see `codebooks.ts` for their values and sources. */
export type CodebookName = "nf4" | "fp4" | "e2m1" | "int4" | "af4" | "bof4" | "bof4-s";

/** A name, or the caller's own 16 values in the order of their codes. */
export type Codebook = CodebookName | Float32Array;

/** One f32 per block, stored in 8 bits: value[i] = map[codes[i]]·absmax[⌊i/256⌋] + offset, in f32, product rounded first. */
export interface NestedScales {
  /** [blocks] */
  codes: Uint8Array;
  /** [⌈blocks/256⌉] */
  absmax: Float32Array;
  /** An f32: the mean of the values, or 0. */
  offset: number;
  /** [256], ascending. */
  map: Float32Array;
  blockSize: 256;
}

/**
 * A tensor in 4 bits. Element i of the flattened tensor (row-major) belongs to block b = ⌊i/blockSize⌋ and decodes to
 * codebook[code[i]]·scale[b] (+ shift[b] where there is one), each operation rounded to f32.
 * Exactly one of `absmax` and `nested` holds the scales; at most one of `shift` and `nestedShift` holds shifts.
 */
export interface QuantizedTensor {
  /** [⌈n/2⌉]: two codes a byte, the first element in the high nibble. */
  codes: Uint8Array;
  /** Of the tensor; [n, k] (output × input features) for matrices. */
  shape: number[];
  codebook: Codebook;
  /** Elements per scale: 32, 64, 128, … 4096. Blocks run over the flattened tensor; the last one may be shorter. */
  blockSize: number;
  /** [blocks] scales; negative ones occur where the scale carries a sign (bof4-s). */
  absmax: Float32Array | undefined;
  /** The scales in 8 bits (double quantisation). */
  nested: NestedScales | undefined;
  /** [blocks] τ, added after scaling (information calibration without double quantisation). */
  shift?: Float32Array | undefined;
  /** τ in 8 bits, offset 0. */
  nestedShift?: NestedScales | undefined;
}

/** How the 16-bit words of a `Uint16Array` are to be read. */
export type HalfType = "bf16" | "f16";

/** Weights: f32, or 16-bit words (bf16 unless `dtype: "f16"` says otherwise). */
export type Weights = Float32Array | Uint16Array;

export interface QuantizeOptions {
  /** The tensor's shape; its product must be the number of weights. */
  shape: number[];
  /** How to read a `Uint16Array`; "bf16" unless given. */
  dtype?: HalfType | undefined;
  /** "nf4" unless given. */
  codebook?: Codebook | undefined;
  /** 32, 64, …, 4096; 64 unless given. */
  blockSize?: number | undefined;
  /** Store the scales (and shifts) in 8 bits; true unless given. */
  doubleQuant?: boolean | undefined;
  /**
   * "absmax": each block's largest magnitude. "mse-search": that times the factor among 0.700, 0.705, … 1.100 with the least
   * squared error of the block. "absmax" unless given; both are stored alike.
   */
  scale?: "absmax" | "mse-search" | undefined;
  /**
   * "none", or "information": a shift τ per block whose codes have the most entropy (information calibration, ICQ of
   * IR-QLoRA, with τ = 0 among the candidates and codes taken after τ is rounded). "none" unless given.
   */
  shift?: "none" | "information" | undefined;
  /**
   * Overwritten and returned instead of a new tensor: one that was made for as many elements with the same `blockSize`, `doubleQuant`
   * and `shift`. Where weights are not finite it is left in parts.
   */
  out?: QuantizedTensor | undefined;
}

export interface DequantizeOptions<T extends Weights = Weights> {
  /** "f32" unless given (or implied by `out`). */
  dtype?: "f32" | "bf16" | undefined;
  /** Written and returned instead of a new array; at least n elements. */
  out?: T | undefined;
}
