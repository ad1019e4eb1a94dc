// Rotary position embedding: tables of angles, and the rotation.
import { type Floats, type Ints, operations } from "./cuda.js";

/** How the frequencies of a checkpoint were changed for longer contexts (`rope_scaling` of its config.json). */
export type RopeScaling =
  | { type: "linear"; factor: number }
  | { type: "llama3"; factor: number; lowFreqFactor: number; highFreqFactor: number; originalMaxPositions: number };

export interface RopeTables {
  /** `[positions, headDim / 2]` */
  cos: Float32Array;
  /** `[positions, headDim / 2]` */
  sin: Float32Array;
}

/**
 * Angles per position of each pair of a head: `headDim / 2` frequencies in radians, rounded to float32 at each step
 * where transformers does. `inv[i] = theta^(-2i / headDim)`; `linear` divides them by `factor`; `llama3` divides the
 * slow ones (wavelength above `originalMaxPositions / lowFreqFactor`), keeps the fast ones (below `originalMaxPositions
 * / highFreqFactor`), and blends in between.
 */
export function ropeFrequencies({
  headDim,
  theta,
  scaling,
}: {
  headDim: number;
  theta: number;
  scaling?: RopeScaling | undefined;
}): Float32Array {
  if (!(Number.isInteger(headDim) && headDim > 0 && headDim % 2 === 0))
    throw new RangeError(`headDim must be even and > 0, got ${headDim}`);
  if (!(theta > 0 && Number.isFinite(theta))) throw new RangeError(`theta must be a number > 0, got ${theta}`);
  const f32 = Math.fround;
  const frequencies = Float32Array.from({ length: headDim / 2 }, (_, i) => 1 / f32(theta ** f32((2 * i) / headDim)));
  if (scaling === undefined) return frequencies;
  if (!(scaling.factor > 0)) throw new RangeError(`scaling.factor must be > 0, got ${scaling.factor}`);
  if (scaling.type === "linear") return frequencies.map((inv) => inv / scaling.factor);
  if (scaling.type !== "llama3")
    throw new RangeError(
      `scaling.type must be "linear" or "llama3", got ${JSON.stringify((scaling as { type: unknown }).type)}`,
    );
  const { factor, lowFreqFactor: low, highFreqFactor: high, originalMaxPositions: positions } = scaling;
  if (!(low > 0 && high > low))
    throw new RangeError(`scaling needs 0 < lowFreqFactor < highFreqFactor, got ${low}, ${high}`);
  if (!(positions > 0)) throw new RangeError(`scaling.originalMaxPositions must be > 0, got ${positions}`);
  return frequencies.map((inv) => {
    const wavelength = f32(f32(2 * Math.PI) / inv);
    if (wavelength < positions / high) return inv;
    if (wavelength > positions / low) return inv / factor;
    const smooth = f32(f32(f32(positions / wavelength) - low) / (high - low));
    return f32(f32(f32(1 - smooth) * inv) / factor) + f32(smooth * inv);
  });
}

/** Cosine and sine of `position · frequency` for positions 0 … `positions - 1`. */
export function ropeTables(options: {
  positions: number;
  headDim: number;
  theta: number;
  scaling?: RopeScaling | undefined;
}): RopeTables {
  const { positions } = options;
  if (!(Number.isInteger(positions) && positions >= 0))
    throw new RangeError(`positions must be a whole number ≥ 0, got ${positions}`);
  const frequencies = ropeFrequencies(options);
  const half = frequencies.length;
  const cos = new Float32Array(positions * half);
  const sin = new Float32Array(positions * half);
  for (let position = 0; position < positions; position++)
    for (let i = 0; i < half; i++) {
      const angle = Math.fround(position * frequencies[i]!);
      cos[position * half + i] = Math.cos(angle);
      sin[position * half + i] = Math.sin(angle);
    }
  return { cos, sin };
}

/**
 * Turns each pair `(x[i], x[i + headDim/2])` of each head by the angle of the token's position, in place (arXiv
 * 2104.09864, in Hugging Face's half-split order). `inverse` turns back, which is the backward.
 * @param x `[m, heads, headDim]` @param positions `[m]`, rows of the tables
 */
export function rope(
  x: Floats,
  positions: Ints,
  tables: { cos: Floats; sin: Floats },
  { m, heads, headDim, inverse = false }: { m: number; heads: number; headDim: number; inverse?: boolean },
): void {
  operations(x).rope(m, heads, headDim, inverse, x, positions, tables.cos, tables.sin);
}
