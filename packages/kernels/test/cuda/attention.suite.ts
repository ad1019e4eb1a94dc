// Attention on a device, against the CPU.
import { type DeviceId, leaks } from "@qlora/cuda-runtime";
import { afterEach, expect, test } from "vitest";
import { operations } from "../operations.js";
import { BF16, compareOnDevice } from "./on_device.js";

const [forward, backward] = ["attention", "attentionBackward"].map((name) => operations.find((o) => o.name === name)!);

const segments = (...lengths: [queries: number, keys: number][]) =>
  lengths.map(([queries, keys]) => ({ queries, keys }));
const shapes = [
  { heads: 1, kvHeads: 1, headDim: 64, segments: segments([70, 70]) },
  { heads: 4, kvHeads: 2, headDim: 8, segments: segments([5, 5], [0, 0], [90, 90], [3, 20]) },
  { heads: 3, kvHeads: 1, headDim: 48, segments: segments([40, 60], [30, 10], [0, 4], [1, 130]) },
  { heads: 2, kvHeads: 2, headDim: 128, segments: segments([66, 80]) },
  { heads: 2, kvHeads: 1, headDim: 80, segments: segments([1, 1], [40, 40]) },
  { heads: 1, kvHeads: 1, headDim: 256, segments: segments([20, 70]) },
  { heads: 1, kvHeads: 1, headDim: 200, segments: segments([67, 67]) },
].map((shape) => ({ ...shape, scale: shape.headDim ** -0.5 }));

export default function attentionSuite(device: DeviceId): void {
  afterEach(() => expect(leaks()).toEqual([]));

  test.each(shapes)("heads $heads / $kvHeads of $headDim", (shape) => {
    compareOnDevice(forward!, shape, device, { type: "bf16", before: 0, tolerance: BF16 });
    compareOnDevice(backward!, shape, device, { type: "bf16", before: 0, tolerance: 2 * BF16 });
  });
}
