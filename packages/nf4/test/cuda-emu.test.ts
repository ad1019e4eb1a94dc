// Kernels on the emulated device: its suites in every order of threads, and what only the emulator can tell of them.
import { allocArray, emulations, type KernelAddon, toDevice as upload } from "@qlora/cuda-runtime";
import { loadAddon } from "@qlora/cuda-runtime/load";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { dequantize, freeTensor, matmul, quantize, toDevice } from "../src/index.js";
import codec from "./cuda/codec.suite.js";
import products from "./cuda/products.suite.js";
import tiles from "./cuda/tiles.suite.js";
import { bf16, gaussian } from "./random.js";

const device = "cuda-emu";
const addon = loadAddon<KernelAddon>("nf4.emu", new URL("../src/native.ts", import.meta.url).href);

describe.each(emulations)("$schedule, $copies copies", ({ schedule, copies }) => {
  beforeAll(() => addon.setEmulation!(schedule, copies, 1));
  describe("codec", () => codec(device));
  describe("products", () => products(device));
});

describe.each(["eager", "lazy"] as const)("large tiles, %s copies, no bank conflicts", (copies) => {
  beforeAll(() => addon.setEmulation!("forward", copies, 1));
  beforeEach(() => void addon.emulationStatistics!());
  afterEach(() => expect(addon.emulationStatistics!().bankConflicts).toBe(0));
  tiles(device);
});

const there = () =>
  toDevice(quantize(gaussian(70 * 192, 7), { shape: [70, 192] }), (dtype, length) =>
    allocArray(dtype, length, { device }),
  );

test("the same bits in every order", () => {
  const q = there();
  for (const m of [1, 19]) {
    using x = upload(bf16(gaussian(m * 192, 3)), { device });
    const results = emulations.map(({ schedule, copies }) => {
      addon.setEmulation!(schedule, copies, 1);
      using out = allocArray("f32", m * 70, { device });
      return matmul(x, q, { out }).toHost();
    });
    for (const result of results) expect(result).toEqual(results[0]);
  }
  freeTensor(q);
});

test("with scratch many rows are multiplied with weights that are decoded once", () => {
  const q = there();
  using scratch = allocArray("bf16", 70 * 192, { device });
  using x = upload(bf16(gaussian(1024 * 192, 5)), { device });
  using out = allocArray("f32", 1024 * 70, { device });
  addon.emulationStatistics!();
  matmul(x, q, { out, scratch });
  expect(addon.emulationStatistics!().launches).toBe(2); // decoded, multiplied
  const dense = dequantize(q, { out: scratch });
  const once = out.toHost();
  addon.emulationStatistics!();
  matmul(x, q, { out, dense });
  expect(addon.emulationStatistics!().launches).toBe(1); // with what is decoded: the same bits
  expect(out.toHost()).toEqual(once);
  matmul(x.subarray(192), q, { out: out.subarray(70), scratch });
  expect(addon.emulationStatistics!().launches).toBe(1);
  freeTensor(q);
});
