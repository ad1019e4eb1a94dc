// Kernels on the emulated device: its suites in every order of threads, and what only the emulator can tell of them.
import { emulations, type KernelAddon } from "@qlora/cuda-runtime";
import { loadAddon } from "@qlora/cuda-runtime/load";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import attention from "./cuda/attention.suite.js";
import edges from "./cuda/edges.suite.js";
import golden from "./cuda/golden.suite.js";
import matmul from "./cuda/matmul.suite.js";
import { runOnDevice } from "./cuda/on_device.js";
import operations from "./cuda/operations.suite.js";
import tiles from "./cuda/tiles.suite.js";
import { operations as all } from "./operations.js";

const device = "cuda-emu";
const addon = loadAddon<KernelAddon>("kernels.emu", new URL("../src/cuda.ts", import.meta.url).href);

describe.each(emulations)("$schedule, $copies copies", ({ schedule, copies }) => {
  beforeAll(() => addon.setEmulation!(schedule, copies, 1));
  describe("operations", () => operations(device));
  describe("golden", () => golden(device));
  describe("without bank conflicts", () => {
    beforeEach(() => void addon.emulationStatistics!());
    afterEach(() => expect(addon.emulationStatistics!().bankConflicts).toBe(0));
    describe("attention", () => attention(device));
    describe("edges", () => edges(device));
    describe("matmul", () => matmul(device));
  });
});

describe.each(["eager", "lazy"] as const)("large tiles, %s copies", (copies) => {
  beforeAll(() => addon.setEmulation!("forward", copies, 1));
  beforeEach(() => void addon.emulationStatistics!());
  afterEach(() => expect(addon.emulationStatistics!()).toMatchObject({ launches: 1, blocks: 100, bankConflicts: 0 }));
  tiles(device);
});

test.each(["attention", "attentionBackward"])("%s: the same bits in every order", (name) => {
  const operation = all.find((operation) => operation.name === name)!;
  const options = { heads: 2, kvHeads: 1, headDim: 64, scale: 0.125, segments: [{ queries: 150, keys: 150 }] };
  const results = emulations.map(({ schedule, copies }) => {
    addon.setEmulation!(schedule, copies, 7);
    return runOnDevice(operation, operation.arrays(options), options, device, { type: "bf16", before: 0 });
  });
  for (const result of results) expect(result).toEqual(results[0]);
});
