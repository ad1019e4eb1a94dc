// The codebooks: bits, sources, order.
import { expect, test } from "vitest";
import { codebookNames, levels } from "../src/index.js";
import { derive } from "./derive.js";

test.each(["af4", "bof4", "bof4-s"] as const)("%s follows from its definition", (name) => {
  for (const blockSize of [32, 64, 4096]) {
    const derived = derive(name, blockSize);
    levels(name, blockSize).forEach((value, i) => {
      expect(Math.abs(value - derived[i]!)).toBeLessThan(2e-7);
    });
  }
});

test("AF4 and BOF4-S for blocks of 64 are the published ones", () => {
  const af4 = [
    -1, -0.69441008, -0.51243739, -0.3736951, -0.25607552, -0.14982478, -0.04934812, 0, 0.04273164, 0.12934483,
    0.21961274, 0.31675666, 0.42563882, 0.55496234, 0.72424863, 1,
  ];
  expect(levels("af4", 64)).toEqual(new Float32Array(af4));
  const bof4s = [
    -0.8568, -0.6693, -0.5235, -0.4005, -0.2911, -0.19, -0.0939, 0, 0.0888, 0.1795, 0.2743, 0.376, 0.4887, 0.6189,
    0.7791, 1,
  ];
  levels("bof4-s", 64).forEach((value, i) => {
    expect(Math.abs(value - bof4s[i]!)).toBeLessThan(2e-4); // printed to 4 digits from a sampled Lloyd
  });
});

test("E2M1 is its bit patterns", () => {
  const value = (code: number) => {
    const exponent = (code >> 1) & 3;
    const fraction = code & 1;
    const magnitude = exponent === 0 ? fraction * 0.5 : (1 + fraction / 2) * 2 ** (exponent - 1);
    return code & 8 ? -magnitude : magnitude;
  };
  levels("e2m1").forEach((level, code) => {
    expect(level).toBe(Math.fround(value(code) / 6) + 0);
  });
});

test.each(codebookNames)(
  "%s has 16 values, ascending but for fp4 and e2m1, of magnitude 1 at most, 0 among them",
  (name) => {
    for (const blockSize of [32, 64, 128, 256, 512, 1024, 2048, 4096]) {
      const values = [...levels(name, blockSize)];
      expect(values.length).toBe(16);
      if (name !== "fp4" && name !== "e2m1") expect(values).toEqual(values.toSorted((a, b) => a - b));
      expect(Math.max(...values.map(Math.abs))).toBe(1);
      expect(values).toContain(0);
    }
  },
);

test("what is no codebook is refused", () => {
  expect(() => levels("nf5" as "nf4")).toThrow(
    new RangeError('codebook must be one of nf4, fp4, e2m1, int4, af4, bof4, bof4-s, got "nf5"'),
  );
  expect(() => levels("toString" as "nf4")).toThrow(RangeError);
  expect(() => levels("af4", 48)).toThrow("blockSize must be a power of two from 32 to 4096, got 48");
  expect(() => levels(new Float32Array(15))).toThrow(TypeError);
  expect(() => levels([1, 2] as unknown as Float32Array)).toThrow(TypeError);
  const bad = new Float32Array(16);
  bad[3] = Number.NaN;
  expect(() => levels(bad)).toThrow(new RangeError("codebook[3] is NaN, must be finite"));
});
