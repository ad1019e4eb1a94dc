// bitsandbytes' own outputs, byte for byte, with every instruction set.
import { afterAll, describe, expect, test } from "vitest";
import {
  dequantize,
  dynamicMapSigned,
  dynamicMapUnsigned,
  levels,
  quantize,
  setSimd,
  simd,
  simds,
} from "../src/index.js";
import { fromHex, golden, input, sha256 } from "./golden.js";

const chosen = simd();
afterAll(() => setSimd(chosen));

describe.each(simds())("golden vectors of bitsandbytes, %s", (name) => {
  test.each(golden.cases)("$name", (expected) => {
    setSimd(name);
    const x = input(expected.name, expected.shape[0]! * expected.shape[1]!);
    const q = quantize(x, {
      shape: expected.shape,
      codebook: expected.quant_type,
      blockSize: expected.blocksize,
      doubleQuant: expected.double_quant,
    });
    expect(Buffer.from(q.codes).toString("base64")).toBe(expected.packed_b64);
    expect(sha256(q.codes)).toBe(expected.packed_sha256);
    if (expected.double_quant) {
      expect(Buffer.from(q.nested!.codes).toString("base64")).toBe(expected.absmax_u8_b64);
      expect(q.nested!.absmax).toEqual(fromHex(expected.nested_absmax!));
      expect(q.nested!.offset).toBe(expected.nested_offset);
    } else expect(q.absmax).toEqual(fromHex(expected.absmax!));

    const y = dequantize(q);
    expect(sha256(y)).toBe(expected.dequant_sha256_f32le);
    const error = x.reduce((sum, value, i) => sum + Math.abs(value - y[i]!), 0) / x.length;
    expect(error).toBeCloseTo(expected.mean_abs_err, 6);
  });
});

test("fp4 has two codes for 0: bitsandbytes' CPU gives 8 to what is just above it and 0 to the rest", () => {
  const x = Float32Array.of(1, 0.001, -0.001, 0, -0, 0.0026, -0.0027, 0.0027);
  expect(quantize(x, { shape: [8], codebook: "fp4" }).codes).toEqual(Uint8Array.of(0x38, 0x00, 0x08, 0x91));
});

test("code tables and dynamic maps, bit for bit", () => {
  expect(levels("nf4")).toEqual(fromHex(golden.nf4));
  expect(levels("fp4")).toEqual(fromHex(golden.fp4));
  expect(dynamicMapSigned).toEqual(fromHex(golden.dynamic_signed));
  expect(dynamicMapUnsigned).toEqual(fromHex(golden.dynamic_unsigned));
});
