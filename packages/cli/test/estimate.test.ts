// The estimate of a GPU's memory: the bars for LLaMA, and where the optimiser's state goes. Peaks of real runs on a GPU
// are not compared here: none was measured yet.
import { estimateDeviceMemory, parseByteSize, parseConfig } from "@qlora/trainer";
import { describe, expect, test } from "vitest";
import { shapeOf } from "../src/shapes.js";

const config = parseConfig({ model: "m", data: "d", output: "o" }); // r = 64 on all linears, paged-adamw-32bit
const gib = 2 ** 30;

describe("LLaMA, r = 64, sequence 512, batch 1, 32-bit AdamW", () => {
  test.each([
    ["7b", 6],
    ["13b", 10.5],
    ["33b", 24],
    ["65b", 46],
  ] as const)("%s within %d GiB", (name, limit) => {
    const estimate = estimateDeviceMemory({ model: shapeOf(name), config, tokens: 512, gpuMemory: limit * gib });
    expect(estimate.total).toBeLessThanOrEqual(limit * gib);
    const { elements } = elementsOf(name);
    expect(estimate.stateOnDevice + estimate.stateOnHost).toBeCloseTo(elements * 8, -1);
    expect(estimate.parts.reduce((sum, { bytes }) => sum + bytes, 0)).toBeCloseTo(estimate.total, -1);
  });
});

/** Adapter elements by hand: r · (in + out) of q, k, v, o (d → d) and gate, up, down (d ↔ f). */
function elementsOf(name: Parameters<typeof shapeOf>[0]) {
  const { hiddenSize: d, intermediateSize: f, layers } = shapeOf(name);
  return { elements: layers * 64 * (4 * 2 * d + 3 * (d + f)) };
}

test("the state stays on the device as far as it fits, and altogether when it must", () => {
  const model = shapeOf("7b");
  const whole = estimateDeviceMemory({ model, config, tokens: 512 });
  expect(whole.stateOnHost).toBe(0);
  const tight = estimateDeviceMemory({ model, config, tokens: 512, gpuMemory: whole.total - 2 ** 28 });
  expect(tight.stateOnHost).toBe(2 ** 28);
  expect(tight.total).toBe(whole.total - 2 ** 28);
  const none = estimateDeviceMemory({ model, config, tokens: 512, gpuMemory: gib });
  expect(none.stateOnDevice).toBe(0);
  expect(none.total).toBeGreaterThan(gib);
  const unpaged = { ...config, optimizer: "adamw-32bit" as const };
  expect(estimateDeviceMemory({ model, config: unpaged, tokens: 512, gpuMemory: gib }).total).toBe(whole.total);
});

test("a block's weights stay decoded where there is room beside all else, and only there", () => {
  const model = shapeOf("7b");
  const estimate = (change: object) =>
    estimateDeviceMemory({ model, config: { ...config, ...change }, tokens: 512, gpuMemory: 24 * gib });
  const roomy = estimate({});
  const others = estimateDeviceMemory({ model, config, tokens: 512 });
  expect([roomy.decodeBlocks, others.decodeBlocks]).toEqual([true, false]);
  // All seven matrices in bf16; the largest alone has its place otherwise.
  const { hiddenSize: d, intermediateSize: f } = model;
  expect(roomy.total - others.total).toBe(2 * (4 * d * d + 2 * d * f));
  const least = estimateDeviceMemory({ model, config, tokens: 512, gpuMemory: roomy.total - 1 });
  expect([least.decodeBlocks, least.total]).toEqual([false, others.total]);
  for (const change of [{ gradientCheckpointing: false }, { precision: "bf16", method: "lora" }])
    expect(estimate(change).decodeBlocks).toBe(false);
});

test("sizes with units", () => {
  expect([parseByteSize("24GiB"), parseByteSize("1.5 GB"), parseByteSize("512MiB")]).toEqual([
    24 * gib,
    1.5e9,
    2 ** 29,
  ]);
  expect(() => parseByteSize("24")).toThrow('"24" is not a size with a unit, such as 24GiB');
  expect(() => parseConfig({ model: "m", data: "d", output: "o", gpuMemory: "lots" })).toThrow(/24GiB/);
});
