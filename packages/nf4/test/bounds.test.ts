// The errors of random normal weights stay where bitsandbytes' own test suite wants them: mean + 7 standard deviations, both
// measured over 200 runs (tests/test_functional.py, test_4bit_quant and test_dynamic_blockwise_quantization).
import { describe, expect, test } from "vitest";
import {
  dequantize,
  dequantizeBlockwise,
  dynamicMapUnsigned,
  type QuantizeOptions,
  quantize,
  quantizeBlockwise,
} from "../src/index.js";
import { gaussian, uniform } from "./random.js";

// [block size, mean |A − Â|, std; mean |A − Â|/(|A| + 1e-8), std]
const nf4: [number, number, number, number, number][] = [
  [32, 0.067746, 0.000069, 0.189726, 0.000304],
  [64, 0.072798, 0.000074, 0.203339, 0.00034],
  [128, 0.076831, 0.000091, 0.215237, 0.000391],
  [256, 0.080337, 0.000102, 0.226105, 0.000398],
  [512, 0.083547, 0.000143, 0.236079, 0.000544],
  [1024, 0.08661, 0.000187, 0.24537, 0.0006],
  [2048, 0.089592, 0.000251, 0.254163, 0.000747],
  [4096, 0.092547, 0.00036, 0.262473, 0.000999],
];
const fp4: typeof nf4 = [
  [32, 0.088925, 0.000091, 0.242443, 0.00033],
  [64, 0.096543, 0.000111, 0.260125, 0.000379],
  [128, 0.102969, 0.000134, 0.275817, 0.000433],
  [256, 0.108684, 0.000182, 0.289831, 0.000497],
  [512, 0.114115, 0.000234, 0.302881, 0.000583],
  [1024, 0.119333, 0.00032, 0.315, 0.000757],
  [2048, 0.124556, 0.000455, 0.326607, 0.000955],
  [4096, 0.129536, 0.000612, 0.337169, 0.001239],
];
const shape = [1024, 1024];
const a = gaussian(1024 * 1024, 42);

function errors(options: Omit<QuantizeOptions, "shape">) {
  const b = dequantize(quantize(a, { shape, ...options }));
  let absolute = 0;
  let relative = 0;
  let squared = 0;
  for (let i = 0; i < a.length; i++) {
    const error = Math.abs(a[i]! - b[i]!);
    absolute += error;
    relative += error / (Math.abs(a[i]!) + 1e-8);
    squared += error * error;
  }
  return { absolute: absolute / a.length, relative: relative / a.length, mse: squared / a.length };
}

describe.each([
  ["nf4", nf4],
  ["fp4", fp4],
] as const)("%s", (codebook, rows) => {
  test.each(rows)("block size %i", (blockSize, mean, std, relativeMean, relativeStd) => {
    const { absolute, relative } = errors({ codebook, blockSize, doubleQuant: false });
    expect(Math.abs(absolute - mean)).toBeLessThan(7 * std);
    expect(Math.abs(relative - relativeMean)).toBeLessThan(7 * relativeStd);
  });

  test.each([32, 64, 128])("with double quantisation, block size %i", (blockSize) => {
    const { absolute, relative } = errors({ codebook, blockSize });
    expect(absolute).toBeLessThan(0.11);
    expect(relative).toBeLessThan(0.28);
  });
});

test("double quantisation costs as little as it is said to", () => {
  expect(errors({ blockSize: 64 }).absolute).toBeLessThan(0.07293 + 0.0002);
  expect(errors({ blockSize: 128 }).absolute).toBeLessThan(0.07688 + 0.0002);
});

test("mean squared errors relative to nf4's: searched scales, BOF4, calibration, smaller blocks", () => {
  const base = errors({ doubleQuant: false }).mse;
  const cases: [Omit<QuantizeOptions, "shape">, number][] = [
    [{ scale: "mse-search" }, 0.858],
    [{ codebook: "bof4" }, 0.943],
    [{ codebook: "bof4-s" }, 0.872],
    [{ codebook: "bof4-s", scale: "mse-search" }, 0.782],
    [{ shift: "information" }, 0.999],
    [{ blockSize: 32 }, 0.9],
  ];
  for (const [options, expected] of cases)
    expect(Math.abs(errors({ doubleQuant: false, ...options }).mse / base - expected)).toBeLessThan(0.01);
});

test("8-bit blockwise on normal and on uniform values", () => {
  const next = uniform(5);
  const positive = Float32Array.from({ length: 1 << 20 }, next);
  const cases = [
    [a, {}, 0.011, 0.018],
    [positive, {}, 0.0036, 0.015],
    [positive, { map: dynamicMapUnsigned }, 0.0023, 0.012],
  ] as const;
  for (const [x, options, absolute, relative] of cases) {
    const y = dequantizeBlockwise(quantizeBlockwise(x, { blockSize: 4096, ...options }));
    let sum = 0;
    let ratio = 0;
    for (let i = 0; i < x.length; i++) {
      sum += Math.abs(x[i]! - y[i]!);
      ratio += Math.abs(x[i]! - y[i]!) / (Math.abs(x[i]!) + 1e-8);
    }
    expect(sum / x.length).toBeLessThan(absolute);
    expect(ratio / x.length).toBeLessThan(relative);
  }
});
