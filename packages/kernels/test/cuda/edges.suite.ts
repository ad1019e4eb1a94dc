// What the operations on a device promise beyond their numbers: arguments that are refused, values out of range, the same bits
// each time, attention in parts.
import {
  allocArray,
  type DeviceArray,
  type DeviceId,
  devices,
  type HostArray,
  leaks,
  toDevice,
} from "@qlora/cuda-runtime";
import { afterEach, describe, expect, test } from "vitest";
import * as kernels from "../../src/index.js";
import { expectClose, FLOAT32_SUMS, random } from "../compare.js";
import { BF16, rounded, widened } from "./on_device.js";

export default function edgesSuite(device: DeviceId): void {
  const arrays: DeviceArray[] = [];
  const keep = (array: DeviceArray) => arrays[arrays.push(array) - 1]!;
  const put = (host: HostArray | Float32Array | Uint16Array) => keep(toDevice(host as HostArray, { device }));
  const bf16 = (n: number, seed: number) => put(rounded(random(n, seed)));
  const room = (dtype: "f32" | "bf16" | "i32", n: number) => keep(allocArray(dtype, n, { device }));
  afterEach(() => {
    for (const array of arrays.splice(0)) array.free();
    expect(leaks()).toEqual([]);
  });

  describe("refused", () => {
    test("arrays of another type, place or size", () => {
      const [x, h] = [room("f32", 12), room("bf16", 12)];
      const n = 12;
      expect(() => kernels.add(x, h, { n })).toThrow(/^y must be a device array of f32$/);
      expect(() => kernels.add(h, x, { n })).toThrow(/^y must be a device array of bf16$/);
      expect(() => kernels.add(x, new Float32Array(12), { n })).toThrow(TypeError);
      expect(() => kernels.add(new Float32Array(12), x, { n })).toThrow(/^y must be a Float32Array$/);
      expect(() => kernels.scale(room("i32", 12), 2, { n })).toThrow(/^x must be a device array of f32 or bf16$/);
      expect(() => kernels.swiglu(x, x.subarray(1), x, { n })).toThrow(/^up has 11 elements, needs 12$/);
      expect(() => kernels.sumSquares(x, { n, sums: x })).toThrow(/^sums has 12 elements, needs 256$/);
      expect(() => kernels.dropout(x, x, { n, p: 1, seed: 1n })).toThrow(/^p must be at least 0 and below 1, got 1/);
      const freed = allocArray("f32", 4, { device });
      freed.free();
      expect(() => kernels.scale(freed, 2, { n: 4 })).toThrow(/freed/);
    });

    test("attention that no kernel serves", () => {
      const [q, lse, cu] = [room("bf16", 4096), room("f32", 64), put(Int32Array.of(0, 4))];
      const run = (change: object, at = q) =>
        kernels.attention(at, q, q, q, lse, cu, cu, { heads: 2, kvHeads: 1, headDim: 16, scale: 1, ...change });
      expect(() => run({ headDim: 12 })).toThrow(/^headDim must be a multiple of 8 up to 256 on a device, got 12$/);
      expect(() => run({ headDim: 264 })).toThrow(/^headDim must be a multiple of 8 up to 256 on a device, got 264$/);
      expect(() => run({ scale: 0 })).toThrow(/^scale must be above 0 on a device, got 0/);
      expect(() => run({ heads: 3, kvHeads: 2 })).toThrow(
        /^heads must be a multiple of kvHeads and at most 65535, got 3 and 2$/,
      );
      expect(() => run({}, q.subarray(4))).toThrow(/^q must begin on a 16-byte boundary of device memory$/);
      expect(() => run({}, lse)).toThrow(/^q must be a device array of bf16$/);
    });

    test.skipIf(devices().devices.length > 0)("a GPU, where there is none", () => {
      const x: kernels.DeviceArray = { device: 0, dtype: "f32", length: 4, pointer: 0n, subarray: () => x };
      expect(() => kernels.scale(x, 2, { n: 4 })).toThrow();
    });
  });

  test("ids, positions and labels out of range give NaN", () => {
    const y = room("f32", 12);
    kernels.embedding(put(Int32Array.of(-1, 1, 2)), put(Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8)), y, {
      m: 3,
      d: 4,
      vocab: 2,
    });
    expect([...y.toHost()].map(Number.isNaN)).toEqual([
      ...Array(4).fill(true),
      ...Array(4).fill(false),
      ...Array(4).fill(true),
    ]);
    const dtable = put(new Float32Array(8));
    kernels.embeddingBackward(put(Int32Array.of(-1, 1, 2)), put(new Float32Array(12).fill(1)), dtable, {
      m: 3,
      d: 4,
      vocab: 2,
    });
    expect([...dtable.toHost()]).toEqual([0, 0, 0, 0, 1, 1, 1, 1]);

    const x = put(new Float32Array(8).fill(1));
    const table = put(Float32Array.of(0.5, 0.5));
    kernels.rope(x, put(Int32Array.of(0, 1)), { cos: table, sin: table }, { m: 2, heads: 1, headDim: 4 });
    expect([...x.toHost()].map(Number.isNaN)).toEqual([...Array(4).fill(false), ...Array(4).fill(true)]);

    const [logits, losses] = [put(new Float32Array(12)), room("f32", 3)];
    kernels.crossEntropy(logits, put(Int32Array.of(4, -100, -1)), losses, { m: 3, v: 4 });
    expect([...losses.toHost()]).toEqual([Number.NaN, 0, Number.NaN]);
    expect([...logits.toHost()].map(Number.isNaN)).toEqual([
      ...Array(4).fill(true),
      ...Array(4).fill(false),
      ...Array(4).fill(true),
    ]);
  });

  test("crossEntropy: certain, impossible, huge, and not a number", () => {
    const v = 40;
    const run = (change: Record<number, number>, label: number) => {
      const losses = room("f32", 1);
      kernels.crossEntropy(put(Object.assign(new Float32Array(v), change)), put(Int32Array.of(label)), losses, {
        m: 1,
        v,
      });
      return losses.toHost()[0]!;
    };
    expect(run({}, 3)).toBeCloseTo(Math.log(v), 6);
    expect(run({ 3: 1000 }, 3)).toBe(0);
    expect(run({ 3: 1000 }, 4)).toBe(1000);
    expect(run({ 3: -Infinity }, 3)).toBe(Infinity);
    expect(run(Object.fromEntries(Array.from({ length: 16 }, (_, i) => [i, -Infinity])), 20)).toBeCloseTo(
      Math.log(24),
      6,
    );
    expect(run({ 3: 3e38 }, 3)).toBe(0);
    expect(run({ 39: Number.NaN }, 3)).toBeNaN();
    expect(run({ 0: Infinity }, 3)).toBeNaN();
  });

  test.each([0, 1, 300, 70_001, 600_000])("sumSquares of %i", (n) => {
    const x = random(n, 1);
    const sums = room("f32", 256);
    kernels.sumSquares(put(x), { n, sums });
    expectClose(sums.subarray(0, 1).toHost() as Float32Array, [kernels.sumSquares(x, { n })], FLOAT32_SUMS);
  });

  test("attention of one query over a long cache, in parts", () => {
    const [heads, kvHeads, headDim, keys] = [6, 2, 64, 700];
    const o = { heads, kvHeads, headDim, scale: headDim ** -0.5 };
    const [q, k, v] = [bf16(heads * headDim, 1), bf16(keys * kvHeads * headDim, 2), bf16(keys * kvHeads * headDim, 3)];
    const [cuQ, cuK] = [Int32Array.of(0, 1), Int32Array.of(0, keys)];
    const scratch = room("f32", kernels.attentionScratch({ queries: 1, keys, ...o }));
    expect(scratch.length).toBe(3 * heads * (headDim + 1));
    const [out, lse] = [room("bf16", heads * headDim), room("f32", heads)];
    kernels.attention(q, k, v, out, lse, put(cuQ), put(cuK), { ...o, scratch });
    const host = (x: DeviceArray) => widened(x.toHost() as Uint16Array);
    const [expected, expectedLse] = [new Float32Array(heads * headDim), new Float32Array(heads)];
    kernels.attention(host(q), host(k), host(v), expected, expectedLse, cuQ, cuK, o);
    expectClose(host(out), expected, BF16);
    expectClose(lse.toHost() as Float32Array, expectedLse, FLOAT32_SUMS);
  });

  test("enough queries need no scratch", () => {
    const shape = { heads: 32, kvHeads: 8, headDim: 128 };
    expect(kernels.attentionScratch({ queries: 4096, keys: 4096, ...shape })).toBe(0);
    expect(kernels.attentionScratch({ queries: 1, keys: 100, ...shape })).toBe(0);
    expect(kernels.attentionScratch({ queries: 1, keys: 8192, ...shape })).toBe(32 * 32 * 129);
  });

  test("attention: what comes later changes no bit, the same bits each time", () => {
    const [heads, kvHeads, headDim, n] = [2, 1, 64, 150];
    const o = { heads, kvHeads, headDim, scale: 0.125 };
    const [q, k, v, dout] = [n * heads, n * kvHeads, n * kvHeads, n * heads].map((rows, i) => bf16(rows * headDim, i));
    const cu = put(Int32Array.of(0, n));
    const run = () => {
      const [out, dq] = [room("bf16", q!.length), room("bf16", q!.length)];
      const [dk, dv, lse] = [room("bf16", k!.length), room("bf16", v!.length), room("f32", heads * n)];
      kernels.attention(q!, k!, v!, out, lse, cu, cu, o);
      kernels.attentionBackward(dout!, q!, k!, v!, out, lse, cu, dq, dk, dv, o);
      return [out, lse, dq, dk, dv].map((array) => array.toHost());
    };
    const first = run();
    expect(run()).toEqual(first);
    k!.subarray(100 * headDim).set(new Uint16Array(50 * headDim).fill(0x7000)); // 1.6e29
    v!.subarray(100 * headDim).set(new Uint16Array(50 * headDim).fill(0xf000));
    const seen = 100 * heads * headDim;
    expect(run()[0]!.subarray(0, seen)).toEqual(first[0]!.subarray(0, seen));
  });

  test("borders beyond the arrays are taken for their ends", () => {
    const o = { heads: 1, kvHeads: 1, headDim: 16, scale: 0.25 };
    const [q, k, v] = [bf16(64, 1), bf16(64, 2), bf16(64, 3)];
    const run = (...borders: number[]) => {
      const [out, lse, cu] = [room("bf16", 64), room("f32", 4), put(Int32Array.from(borders))];
      kernels.attention(q, k, v, out, lse, cu, cu, o);
      return [...out.toHost(), ...lse.toHost()];
    };
    expect(run(0, 400)).toEqual(run(0, 4));
    expect(run(-9, 4, 1)).toEqual(run(0, 4));
  });
}
