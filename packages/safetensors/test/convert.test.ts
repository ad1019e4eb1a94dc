// Conversions of every 16-bit pattern, and of floats around every rounding boundary, against PyTorch's.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { bf16ToFloat32, float16ToFloat32, float32ToBf16, float32ToFloat16, toFloat32 } from "../src/index.js";
import { failureOf, golden } from "./files.js";

const expected = JSON.parse(readFileSync(golden("expected.json"), "utf8")).conversions;
const patterns = Uint16Array.from({ length: 65536 }, (_, i) => i);
const sha256 = (x: ArrayBufferView) =>
  createHash("sha256")
    .update(x as Uint8Array)
    .digest("hex");
const bitsOf = (x: Float32Array) => new Uint32Array(x.buffer, x.byteOffset, x.length);
const canonical = (x: Float32Array) => bitsOf(x).map((b) => ((b & 0x7fffffff) > 0x7f800000 ? 0x7fc00000 : b));

// every upper half with lower halves on, below and above the ties of both 16-bit formats
const floats = new Float32Array(
  Uint32Array.from({ length: 65536 * expected.low.length }, (_, i) => {
    const upper = Math.floor(i / expected.low.length);
    return upper * 65536 + expected.low[i % expected.low.length];
  }).buffer,
);

test("all f16 and bf16 patterns to f32, as PyTorch", () => {
  expect(sha256(canonical(float16ToFloat32(patterns)))).toBe(expected.float16ToFloat32);
  expect(sha256(canonical(bf16ToFloat32(patterns)))).toBe(expected.bf16ToFloat32);
});

test("786 432 floats to f16 and bf16, as PyTorch", () => {
  expect(sha256(float32ToFloat16(floats).map((b) => ((b & 0x7fff) > 0x7c00 ? 0x7e00 : b)))).toBe(
    expected.float32ToFloat16,
  );
  expect(sha256(float32ToBf16(floats).map((b) => ((b & 0x7fff) > 0x7f80 ? 0x7fc0 : b)))).toBe(expected.float32ToBf16);
});

test("there and back: all 65536 patterns of both, NaNs with sign and payload, made quiet", () => {
  const quiet16 = patterns.map((b) => ((b & 0x7fff) > 0x7c00 ? b | 0x200 : b));
  const quietB = patterns.map((b) => ((b & 0x7fff) > 0x7f80 ? b | 0x40 : b));
  expect(float32ToFloat16(float16ToFloat32(patterns))).toEqual(quiet16);
  expect(float32ToBf16(bf16ToFloat32(patterns))).toEqual(quietB);
});

test("rounding is to the nearest neighbour: brute force on halves of random floats", () => {
  const table = float16ToFloat32(patterns.subarray(0, 0x7c01)); // 0 … 65504, ∞
  let state = 1;
  const x = Float32Array.from({ length: 2000 }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state / 2 ** 32) * 2 ** ((state % 42) - 25);
  });
  const rounded = float32ToFloat16(x);
  for (const [i, value] of x.entries()) {
    const at = rounded[i]!;
    const error = Math.abs(table[at]! - value);
    for (const other of [at - 1, at + 1])
      if (other >= 0 && other < 0x7c00) expect(Math.abs(table[other]! - value)).toBeGreaterThanOrEqual(error);
  }
});

test("all FP8 patterns, as PyTorch", () => {
  const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
  expect(sha256(canonical(toFloat32(bytes, "F8_E4M3")))).toBe(expected.F8_E4M3);
  expect(sha256(canonical(toFloat32(bytes, "F8_E5M2")))).toBe(expected.F8_E5M2);
});

test("toFloat32 of the other types", () => {
  const bytes = (x: ArrayBufferView) => new Uint8Array(x.buffer, x.byteOffset, x.byteLength);
  expect([...toFloat32(bytes(new Int8Array([-128, 127])), "I8")]).toEqual([-128, 127]);
  expect([...toFloat32(bytes(new Uint8Array([0, 255])), "U8")]).toEqual([0, 255]);
  expect([...toFloat32(bytes(new Uint8Array([0, 1])), "BOOL")]).toEqual([0, 1]);
  expect([...toFloat32(bytes(new Int16Array([-32768])), "I16")]).toEqual([-32768]);
  expect([...toFloat32(bytes(new Uint16Array([65535])), "U16")]).toEqual([65535]);
  expect([...toFloat32(bytes(new Int32Array([-(2 ** 31), 2 ** 24 + 1])), "I32")]).toEqual([-(2 ** 31), 2 ** 24]);
  expect([...toFloat32(bytes(new Uint32Array([2 ** 32 - 1])), "U32")]).toEqual([2 ** 32]);
  expect([...toFloat32(bytes(new Float64Array([0.1, 1e300])), "F64")]).toEqual([Math.fround(0.1), Infinity]);
  // 2^40 + 2^16 lies between two floats, 2^40 and 2^40 + 2^17; one more decides. Rounding to 53 bits first would lose it.
  const big = [2n ** 62n + 2n ** 38n + 1n, -(2n ** 62n) - 2n ** 38n - 1n, 2n ** 62n + 2n ** 38n, -(2n ** 63n), 7n];
  expect([...toFloat32(bytes(new BigInt64Array(big)), "I64")]).toEqual([
    2 ** 62 + 2 ** 39,
    -(2 ** 62) - 2 ** 39,
    2 ** 62,
    -(2 ** 63),
    7,
  ]);
  expect([...toFloat32(bytes(new BigUint64Array([2n ** 64n - 1n])), "U64")]).toEqual([2 ** 64]);
  expect(failureOf(() => toFloat32(new Uint8Array(8), "C64")).code).toBe("DTYPE");
  expect(() => toFloat32(new Uint8Array(6), "F32")).toThrow(RangeError);
});

test("bytes at an odd offset are copied, aligned ones are viewed", () => {
  const bytes = new Uint8Array(9);
  new DataView(bytes.buffer).setFloat32(1, 1.5, true);
  expect([...toFloat32(bytes.subarray(1, 5), "F32")]).toEqual([1.5]);
  const aligned = new Uint8Array(8);
  expect(toFloat32(aligned, "F32").buffer).toBe(aligned.buffer);
});

test("out is filled and returned; its length must fit", () => {
  const out = new Uint16Array(2);
  expect(float32ToBf16(new Float32Array([1, -2]), out)).toBe(out);
  expect([...out]).toEqual([0x3f80, 0xc000]);
  expect([...bf16ToFloat32(out, new Float32Array(4).subarray(1, 3))]).toEqual([1, -2]);
  expect(() => float16ToFloat32(out, new Float32Array(3))).toThrow("out must have 2 elements, got 3");
});
