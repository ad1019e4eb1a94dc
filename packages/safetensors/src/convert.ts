// Conversions between 32-bit floats and the 16- and 8-bit formats found in checkpoints (IEEE 754 binary16, bfloat16, OCP FP8).
import type { Dtype } from "./dtypes.js";
import { SafetensorsError } from "./errors.js";

const scratch = new Float32Array(1);
const scratchBits = new Uint32Array(scratch.buffer);

/** The 16 upper bits of each float, rounded to nearest, ties to even. NaN stays NaN (quiet), sign kept. */
export function float32ToBf16(x: Float32Array, out: Uint16Array = new Uint16Array(x.length)): Uint16Array {
  sameLength(x, out);
  const bits = new Uint32Array(x.buffer, x.byteOffset, x.length);
  for (let i = 0; i < bits.length; i++) {
    const b = bits[i]!;
    const nan = (b & 0x7fffffff) > 0x7f800000;
    out[i] = nan ? (b >>> 16) | 0x40 : (b + 0x7fff + ((b >>> 16) & 1)) >>> 16;
  }
  return out;
}

/** Exact: a bfloat16 is the upper half of a float. */
export function bf16ToFloat32(x: Uint16Array, out: Float32Array = new Float32Array(x.length)): Float32Array {
  sameLength(x, out);
  const bits = new Uint32Array(out.buffer, out.byteOffset, out.length);
  for (let i = 0; i < x.length; i++) bits[i] = x[i]! << 16;
  return out;
}

/** Nearest binary16, ties to even; beyond 65504 + half a step infinite, subnormals kept. NaN stays NaN (quiet), sign kept. */
export function float32ToFloat16(x: Float32Array, out: Uint16Array = new Uint16Array(x.length)): Uint16Array {
  sameLength(x, out);
  const bits = new Uint32Array(x.buffer, x.byteOffset, x.length);
  for (let i = 0; i < bits.length; i++) out[i] = float16Bits(bits[i]!);
  return out;
}

function float16Bits(b: number): number {
  const sign = (b >>> 16) & 0x8000;
  const magnitude = b & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00 | ((magnitude >>> 13) & 0x3ff); // NaN
  if (magnitude >= 0x477ff000) return sign | 0x7c00; // ≥ 65520 rounds to infinity
  if (magnitude >= 0x38800000) {
    // normal: rebias the exponent from 127 to 15, drop 13 bits
    const rebased = magnitude - 0x38000000;
    return sign | ((rebased + 0xfff + ((rebased >>> 13) & 1)) >>> 13);
  }
  if (magnitude < 0x33000000) return sign; // < 2^-25 rounds to zero
  const shift = 126 - (magnitude >>> 23); // 14 … 24
  const mantissa = (magnitude & 0x7fffff) | 0x800000;
  const kept = mantissa >>> shift;
  const rest = mantissa & (2 ** shift - 1);
  const half = 2 ** (shift - 1);
  return sign | (kept + (rest > half || (rest === half && (kept & 1) === 1) ? 1 : 0));
}

/** Exact. */
export function float16ToFloat32(x: Uint16Array, out: Float32Array = new Float32Array(x.length)): Float32Array {
  sameLength(x, out);
  const table = float16Table();
  const bits = new Uint32Array(out.buffer, out.byteOffset, out.length);
  for (let i = 0; i < x.length; i++) bits[i] = table[x[i]!]!;
  return out;
}

let halves: Uint32Array | undefined;

/** The float of each of the 65536 binary16 patterns, as bits (so that NaN payloads survive). */
function float16Table(): Uint32Array {
  if (halves === undefined) {
    halves = new Uint32Array(65536);
    for (let h = 0; h < 65536; h++) halves[h] = smallFloatBits(h, 5, 10, "ieee");
  }
  return halves;
}

/**
 * A float of 1 + `exponentBits` + `mantissaBits` bits as binary32 bits.
 * "ieee": the last exponent is Inf and NaN; "finite" (FP8 E4M3): only the very last pattern is NaN.
 */
function smallFloatBits(value: number, exponentBits: number, mantissaBits: number, kind: "ieee" | "finite"): number {
  const sign = (value >>> (exponentBits + mantissaBits)) * 2 ** 31;
  const last = 2 ** exponentBits - 1;
  const exponent = (value >>> mantissaBits) & last;
  const mantissa = value & (2 ** mantissaBits - 1);
  const special = kind === "ieee" ? exponent === last : exponent === last && mantissa === 2 ** mantissaBits - 1;
  if (special) return sign + 0x7f800000 + mantissa * 2 ** (23 - mantissaBits);
  const bias = 2 ** (exponentBits - 1) - 1;
  scratch[0] =
    exponent === 0
      ? mantissa * 2 ** (1 - bias - mantissaBits)
      : (1 + mantissa / 2 ** mantissaBits) * 2 ** (exponent - bias);
  return sign + scratchBits[0]!;
}

/**
 * Bytes of a tensor (as `read` gives them) as floats: F32, F64, F16, BF16, F8_E4M3, F8_E5M2, BOOL and the integer types
 * (rounded to the nearest float where they have more than 24 bits). F32 bytes that are aligned are viewed, not copied.
 * @throws {SafetensorsError} DTYPE for the other types
 * @throws {RangeError} when the length is no multiple of the element
 */
export function toFloat32(bytes: Uint8Array, dtype: Dtype): Float32Array {
  const view = <T>(type: {
    new (buffer: ArrayBufferLike, offset: number, length: number): T;
    BYTES_PER_ELEMENT: number;
  }) => {
    const size = type.BYTES_PER_ELEMENT;
    if (bytes.byteLength % size !== 0)
      throw new RangeError(`${bytes.byteLength} bytes are no whole number of ${dtype} elements of ${size} bytes`);
    const aligned = bytes.byteOffset % size === 0 ? bytes : bytes.slice();
    return new type(aligned.buffer, aligned.byteOffset, aligned.byteLength / size);
  };
  switch (dtype) {
    case "F32":
      return view(Float32Array);
    case "F16":
      return float16ToFloat32(view(Uint16Array));
    case "BF16":
      return bf16ToFloat32(view(Uint16Array));
    case "F64":
      return Float32Array.from(view(Float64Array));
    case "F8_E4M3":
      return fromTable(bytes, float8Table(4, 3, "finite"));
    case "F8_E5M2":
      return fromTable(bytes, float8Table(5, 2, "ieee"));
    case "BOOL":
    case "U8":
      return Float32Array.from(bytes);
    case "I8":
      return Float32Array.from(view(Int8Array));
    case "I16":
      return Float32Array.from(view(Int16Array));
    case "U16":
      return Float32Array.from(view(Uint16Array));
    case "I32":
      return Float32Array.from(view(Int32Array));
    case "U32":
      return Float32Array.from(view(Uint32Array));
    case "I64":
      return Float32Array.from(view(BigInt64Array), nearestFloat);
    case "U64":
      return Float32Array.from(view(BigUint64Array), nearestFloat);
    default:
      throw new SafetensorsError("DTYPE", `${dtype} has no conversion to 32-bit floats here.`);
  }
}

function nearestFloat(value: bigint): number {
  // Number() rounds to 53 bits first; keep a sticky bit so that the second rounding, to 24, is the only one that counts.
  const magnitude = value < 0n ? -value : value;
  const excess = Math.max(0, magnitude.toString(2).length - 50);
  const shift = BigInt(excess);
  const top = magnitude >> shift;
  const sticky = top << shift === magnitude ? 0n : 1n;
  const rounded = Math.fround(Number(top | sticky)) * 2 ** excess;
  return value < 0n ? -rounded : rounded;
}

function float8Table(exponentBits: number, mantissaBits: number, kind: "ieee" | "finite"): Uint32Array {
  return Uint32Array.from({ length: 256 }, (_, value) => smallFloatBits(value, exponentBits, mantissaBits, kind));
}

function fromTable(bytes: Uint8Array, table: Uint32Array): Float32Array {
  const bits = Uint32Array.from(bytes, (value) => table[value]!);
  return new Float32Array(bits.buffer);
}

function sameLength(x: { length: number }, out: { length: number }): void {
  if (x.length !== out.length) throw new RangeError(`out must have ${x.length} elements, got ${out.length}`);
}
