// The codec on a device: the bytes of the CPU's.
import { allocArray, type DeviceId, leaks, toDevice as upload } from "@qlora/cuda-runtime";
import { afterEach, describe, expect, test } from "vitest";
import {
  type Alloc,
  codebookNames,
  dequantize,
  freeTensor,
  nest,
  type QuantizeOptions,
  quantize,
  toDevice,
  toHost,
} from "../../src/index.js";
import { bf16, gaussian } from "../random.js";

export default function codecSuite(device: DeviceId): void {
  const alloc: Alloc = (dtype, length) => allocArray(dtype, length, { device });
  afterEach(() => expect(leaks()).toEqual([]));

  /** Quantises and decodes on the device and compares every byte with the CPU's. */
  function compare(weights: Float32Array | Uint16Array, options: QuantizeOptions, offset = 0): void {
    const part = weights.subarray(offset);
    const expected = quantize(part, options);
    using x = upload(weights, { device });
    const q = quantize(x.subarray(offset), { ...options, alloc });
    expect(toHost(q)).toEqual(expected);
    for (const dtype of ["f32", "bf16"] as const) {
      using out = allocArray(dtype, part.length, { device });
      expect(dequantize(q, { out }).toHost()).toEqual(dequantize(expected, { dtype }));
    }
    freeTensor(q);
  }

  test.each([1, 2, 31, 64, 1000, 17_001])("%i weights", (n) => {
    const weights = gaussian(n, n);
    for (const x of [weights, bf16(weights)])
      for (const doubleQuant of [false, true]) compare(x, { shape: [n], doubleQuant });
  });

  test.each([32, 64, 128, 256, 512, 1024, 2048, 4096])("blocks of %i", (blockSize) => {
    compare(gaussian(8192 + 77, 1), { shape: [8269], blockSize });
  });

  test.each(codebookNames)("codebook %s", (codebook) => {
    for (const blockSize of [32, 64, 1024]) compare(gaussian(5000, 3), { shape: [50, 100], codebook, blockSize });
  });

  test("a codebook of the caller's, in no order", () => {
    const levels = [3, -1, 0, 0.5, 1, -0.25, 0.75, -0.5, 0.1, -0.1, 0.2, -0.2, 0.3, -0.3, 0.4, -0.4];
    compare(gaussian(5001, 4), { shape: [5001], codebook: Float32Array.from(levels) });
  });

  test("zeros, tiny and huge weights, and weights that begin anywhere", () => {
    const weights = gaussian(64 * 40, 5);
    weights.fill(0, 64, 192);
    weights.fill(-0, 200, 330);
    for (let i = 384; i < 640; i++) weights[i]! *= 1e-40; // 1/absmax overflows
    for (let i = 640; i < 704; i++) weights[i]! *= 5e37;
    compare(weights, { shape: [weights.length] });
    for (const offset of [1, 2, 3]) {
      compare(weights, { shape: [weights.length - offset] }, offset);
      compare(bf16(weights), { shape: [weights.length - offset], codebook: "bof4-s" }, offset);
    }
  });

  test("shifts, and tensors that come from the host", () => {
    const plain = quantize(gaussian(9000, 6), { shape: [90, 100], shift: "information" });
    const shift = gaussian(Math.ceil(9000 / 64), 7, 0.1);
    for (const q of [plain, { ...plain, nestedShift: undefined, shift }, { ...plain, nestedShift: nest(shift) }]) {
      const there = toDevice(q, alloc);
      using out = alloc("f32", 9000) as ReturnType<typeof allocArray>;
      expect(dequantize(there, { out }).toHost()).toEqual(dequantize(q));
      freeTensor(there);
    }
  });

  describe("what is refused", () => {
    test("weights that are not finite, by block", () => {
      const weights = gaussian(1000, 8);
      weights[200] = Number.NaN;
      weights[700] = Number.POSITIVE_INFINITY;
      using x = upload(weights, { device });
      for (const doubleQuant of [true, false])
        expect(() => quantize(x, { shape: [1000], alloc, doubleQuant })).toThrow(
          "weights[192] to [255] are not all finite",
        );
    });

    test("what devices do not do, wrong types and sizes", () => {
      using x = upload(new Float32Array(64), { device });
      using i = upload(new Int32Array(64), { device });
      const shape = [64];
      expect(() => quantize(x, { shape, alloc, scale: "mse-search" })).toThrow('on a device scale must be "absmax"');
      expect(() => quantize(x, { shape } as never)).toThrow("options.alloc must be a function");
      expect(() => quantize(i, { shape, alloc })).toThrow("weights must be a device array of f32 or bf16, got i32");
      expect(() => quantize(x, { shape: [65], alloc })).toThrow("weights has 64 elements, shape [65] needs 65");
      const q = quantize(x, { shape, alloc });
      expect(() => dequantize(q, {} as never)).toThrow("out must be given on a device");
      expect(() => dequantize(q, { out: x.subarray(1) })).toThrow("out has 63 elements, needs 64");
      const elsewhere = device === "cuda-emu" ? 0 : "cuda-emu";
      expect(() => dequantize({ ...q, device: elsewhere }, { out: x })).toThrow(
        `q.codes is on device ${device}, not on ${elsewhere}`,
      );
      freeTensor(q);
    });
  });
}
