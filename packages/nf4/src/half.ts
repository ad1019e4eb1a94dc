// 16-bit floats: bf16 and f16 words to f32 (exact), f32 to bf16 (nearest, ties to even).
import type { HalfType, Weights } from "./types.js";

const word = new Uint32Array(1);
const float = new Float32Array(word.buffer);

/** `length` weights from x[begin] on as f32 into out[0 …]. */
export function widen(x: Weights, half: HalfType, begin: number, length: number, out: Float32Array): void {
  if (x instanceof Float32Array) {
    out.set(x.subarray(begin, begin + length));
    return;
  }
  for (let i = 0; i < length; i++) out[i] = half === "bf16" ? bf16ToNumber(x[begin + i]!) : f16ToNumber(x[begin + i]!);
}

/** The value of a bf16 word: the upper half of an f32. */
export function bf16ToNumber(h: number): number {
  word[0] = h << 16;
  return float[0]!;
}

/** The value of an f16 word. */
export function f16ToNumber(h: number): number {
  const sign = h & 0x8000 ? -1 : 1;
  const exponent = (h >> 10) & 31;
  const fraction = h & 1023;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25));
}

/** The bf16 word nearest to an f32, ties to even; NaN stays NaN. */
export function toBf16(value: number): number {
  float[0] = value;
  const bits = word[0]!;
  if (Number.isNaN(value)) return (bits >>> 16) | 0x40;
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff;
}
