// Every operation in plain TypeScript, written to be read: the oracle of the tests and the fallback without an addon.
// Arguments are those of the public functions, unchecked; arithmetic is float64, rounded where an array is. All arrays
// may be float64.
import type { RopeTables } from "./rope.js";

export { attention, attentionBackward } from "./attention_reference.js";
export { dropout, philox } from "./dropout_reference.js";
export { matmul, matmulGradWeight, matmulInt8, matmulTransposed, matmulTransposedInt8 } from "./matmul_reference.js";

export type Floats = Float32Array | Float64Array;

export function rmsNorm(
  x: Floats,
  weight: Floats,
  y: Floats,
  invRms: Floats,
  { m, d, eps }: { m: number; d: number; eps: number },
): void {
  for (let row = 0; row < m; row++) {
    let squares = 0;
    for (let i = 0; i < d; i++) squares += x[row * d + i]! ** 2;
    const inv = 1 / Math.sqrt(squares / d + eps);
    invRms[row] = inv;
    for (let i = 0; i < d; i++) y[row * d + i] = x[row * d + i]! * inv * weight[i]!;
  }
}

export function rmsNormBackward(
  dy: Floats,
  x: Floats,
  weight: Floats,
  invRms: Floats,
  dx: Floats,
  dweight: Floats | null,
  { m, d }: { m: number; d: number },
): void {
  for (let row = 0; row < m; row++) {
    const inv = invRms[row]!;
    let dot = 0;
    for (let i = row * d; i < (row + 1) * d; i++) dot += dy[i]! * weight[i - row * d]! * x[i]!;
    for (let i = row * d; i < (row + 1) * d; i++) {
      dx[i]! += inv * (dy[i]! * weight[i - row * d]! - (x[i]! * inv * inv * dot) / d);
      if (dweight) dweight[i - row * d]! += dy[i]! * x[i]! * inv;
    }
  }
}

export function rope(
  x: Floats,
  positions: Int32Array,
  { cos, sin }: { cos: Floats; sin: Floats } | RopeTables,
  { m, heads, headDim, inverse = false }: { m: number; heads: number; headDim: number; inverse?: boolean },
): void {
  const half = headDim / 2;
  for (let head = 0; head < m * heads; head++)
    for (let i = 0; i < half; i++) {
      const at = positions[Math.floor(head / heads)]! * half + i;
      const c = cos[at]!;
      const s = inverse ? -sin[at]! : sin[at]!;
      const a = x[head * headDim + i]!;
      const b = x[head * headDim + half + i]!;
      x[head * headDim + i] = a * c - b * s;
      x[head * headDim + half + i] = b * c + a * s;
    }
}

export function swiglu(gate: Floats, up: Floats, y: Floats, { n }: { n: number }): void {
  for (let i = 0; i < n; i++) y[i] = (gate[i]! / (1 + Math.exp(-gate[i]!))) * up[i]!;
}

export function swigluBackward(
  dy: Floats,
  gate: Floats,
  up: Floats,
  dgate: Floats,
  dup: Floats,
  { n }: { n: number },
): void {
  for (let i = 0; i < n; i++) {
    const [d, g, u] = [dy[i]!, gate[i]!, up[i]!];
    const sigmoid = 1 / (1 + Math.exp(-g));
    dgate[i] = d * u * sigmoid * (1 + g * (1 - sigmoid));
    dup[i] = d * g * sigmoid;
  }
}

export function crossEntropy(
  logits: Floats,
  labels: Int32Array,
  losses: Floats,
  { m, v, scale = 1, gradient = true }: { m: number; v: number; scale?: number; gradient?: boolean },
): void {
  for (let i = 0; i < m; i++) {
    const row = logits.subarray(i * v, (i + 1) * v);
    const label = labels[i]!;
    losses[i] = 0;
    if (label < 0) {
      if (gradient) row.fill(0);
      continue;
    }
    let top = -Infinity;
    for (const x of row) top = Math.max(top, x);
    let sum = 0;
    for (const x of row) sum += Math.exp(x - top);
    losses[i] = Math.log(sum) + top - row[label]!;
    if (gradient) for (let j = 0; j < v; j++) row[j] = scale * (Math.exp(row[j]! - top) / sum - (j === label ? 1 : 0));
  }
}

export function embedding(
  ids: Int32Array,
  table: Floats | Uint16Array,
  y: Floats,
  { m, d }: { m: number; d: number; vocab: number },
): void {
  for (let i = 0; i < m; i++) {
    const from = table.subarray(ids[i]! * d, (ids[i]! + 1) * d);
    if (from instanceof Uint16Array) fromBf16(from, y.subarray(i * d, (i + 1) * d), { n: d });
    else y.set(from, i * d);
  }
}

export function embeddingBackward(
  ids: Int32Array,
  dy: Floats,
  dtable: Floats,
  { m, d }: { m: number; d: number; vocab: number },
): void {
  for (let i = 0; i < m; i++) for (let j = 0; j < d; j++) dtable[ids[i]! * d + j]! += dy[i * d + j]!;
}

export function add(x: Floats, y: Floats, { n }: { n: number }): void {
  for (let i = 0; i < n; i++) y[i]! += x[i]!;
}

export function scale(x: Floats, a: number, { n }: { n: number }): void {
  for (let i = 0; i < n; i++) x[i]! *= a;
}

/**
 * 32 running sums in each chunk of 32768, folded in halves; then chunks by twos, fours, …: the addon's order, so its
 * bits.
 */
export function sumSquares(x: Floats, { n }: { n: number }): number {
  const chunk = 32768;
  const sums = Array.from({ length: Math.floor(n / chunk) + 1 }, (_, c) => {
    const lanes = new Float64Array(32);
    for (let i = c * chunk; i < Math.min(n, (c + 1) * chunk); i++) lanes[i % 32]! += x[i]! * x[i]!;
    for (let width = 16; width >= 1; width /= 2) for (let j = 0; j < width; j++) lanes[j]! += lanes[j + width]!;
    return lanes[0]!;
  });
  for (let step = 1; step < sums.length; step *= 2)
    for (let i = 0; i + step < sums.length; i += 2 * step) sums[i]! += sums[i + step]!;
  return sums[0]!;
}

const float = new Float32Array(1);
const word = new Uint32Array(float.buffer);

export function toBf16(x: Floats, y: Uint16Array, { n }: { n: number }): void {
  for (let i = 0; i < n; i++) {
    float[0] = x[i]!;
    const bits = word[0]!;
    y[i] = Number.isNaN(float[0]) ? (bits >>> 16) | 0x40 : (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
  }
}

export function fromBf16(x: Uint16Array, y: Floats, { n }: { n: number }): void {
  for (let i = 0; i < n; i++) {
    word[0] = x[i]! << 16;
    y[i] = float[0]!;
  }
}
