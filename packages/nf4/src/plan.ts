// What quantize was asked for, checked once: sizes, codebook and policies as the kernels take them.
import { levels, signedScale } from "./codebooks.js";
import { blocks, checkBlockSize, describe, elements } from "./shape.js";
import type { Codebook, HalfType, QuantizeOptions, Weights } from "./types.js";

export interface Plan {
  shape: number[];
  /** Elements and blocks of the tensor. */
  n: number;
  count: number;
  half: HalfType;
  codebook: Codebook;
  levels: Float32Array;
  signed: boolean;
  blockSize: number;
  doubleQuant: boolean;
  /** Candidates of "mse-search", or null for "absmax". */
  factors: Float32Array | null;
  information: boolean;
}

/** 1 first, so that it wins among equals, then 0.700, 0.705, … 1.100. */
const searchFactors = Float32Array.from([1, ...Array.from({ length: 81 }, (_, i) => (140 + i) / 200)]);

/** @throws {TypeError|RangeError} naming the option and its value. */
export function plan(options: QuantizeOptions): Plan {
  if (typeof options !== "object" || options === null)
    throw new TypeError(`options must be an object with a shape, got ${describe(options)}`);
  const { shape, dtype = "bf16", codebook = "nf4", blockSize = 64, doubleQuant = true } = options;
  const { scale = "absmax", shift = "none" } = options;
  const n = elements(shape);
  if (typeof doubleQuant !== "boolean")
    throw new TypeError(`doubleQuant must be a boolean, got ${describe(doubleQuant)}`);
  return {
    shape: [...shape],
    n,
    count: blocks(n, checkBlockSize(blockSize)),
    half: oneOf("dtype", dtype, ["bf16", "f16"]),
    codebook: typeof codebook === "string" ? codebook : codebook?.slice?.(),
    levels: levels(codebook, blockSize),
    signed: signedScale(codebook),
    blockSize,
    doubleQuant,
    factors: oneOf("scale", scale, ["absmax", "mse-search"]) === "mse-search" ? searchFactors : null,
    information: oneOf("shift", shift, ["none", "information"]) === "information",
  };
}

/** @throws {TypeError} unless weights are a Float32Array or a Uint16Array. */
export function checkWeights(weights: Weights, name = "weights"): void {
  if (!(weights instanceof Float32Array) && !(weights instanceof Uint16Array))
    throw new TypeError(`${name} must be a Float32Array or a Uint16Array, got ${describe(weights)}`);
}

/** @throws {RangeError} unless as many weights came as the shape needs. */
export function checkLength(length: number, n: number, shape: number[]): void {
  if (length !== n) throw new RangeError(`weights has ${length} elements, shape [${shape.join(", ")}] needs ${n}`);
}

/** @throws {RangeError} unless `value` is among `allowed`. */
export function oneOf<T extends string>(name: string, value: unknown, allowed: readonly T[]): T {
  if (!allowed.includes(value as T))
    throw new RangeError(
      `${name} must be one of ${allowed.map((v) => `"${v}"`).join(", ")}, got ${JSON.stringify(value)}`,
    );
  return value as T;
}
