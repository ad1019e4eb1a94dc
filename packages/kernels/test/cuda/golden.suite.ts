// The operations on a device against PyTorch and transformers (conformance/kernels_golden.py).
import { type DeviceId, leaks } from "@qlora/cuda-runtime";
import { afterEach, expect, test } from "vitest";
import { expectClose, FEW_ROUNDINGS, f32, golden } from "../compare.js";
import { checkAttention, checkBf16, checkCrossEntropy, checkEmbedding, checkRmsNorm } from "../golden_checks.js";
import { BF16, DEVICE_EXP, onDevice } from "./on_device.js";

/** q, k, v and dout are rounded to bf16 before: scores are off by 2^-9 of their terms, and what follows by as much again. */
const BF16_INPUTS = 4 * BF16;

export default function goldenSuite(device: DeviceId): void {
  afterEach(() => expect(leaks()).toEqual([]));
  const k = onDevice(device);
  const each = (name: string, check: (c: ReturnType<typeof golden>[number]) => void) =>
    test(name, () => golden(name).forEach(check));

  each("rms_norm", (c) => checkRmsNorm(k, c));

  each("rope", ({ m, heads, headDim, ...c }) => {
    const x = f32(c.x);
    const rows = Int32Array.from({ length: m }, (_, i) => i); // of the golden tables
    k.rope(x, rows, { cos: f32(c.cos), sin: f32(c.sin) }, { m, heads, headDim });
    expectClose(x, c.y, FEW_ROUNDINGS);
    k.rope(x, rows, { cos: f32(c.cos), sin: f32(c.sin) }, { m, heads, headDim, inverse: true });
    expectClose(x, c.x, FEW_ROUNDINGS);
  });

  each("attention", (c) => {
    if (c.headDim % 8 === 0) checkAttention(k, c, BF16_INPUTS);
  });

  each("swiglu", ({ n, ...c }) => {
    const [y, gate, up] = [new Float32Array(n), f32(c.gate), f32(c.up)];
    k.swiglu(gate, up, y, { n });
    expectClose(y, c.y, DEVICE_EXP);
    k.swigluBackward(f32(c.dy), gate, up, gate, up, { n }); // in place
    expectClose(gate, c.dgate, DEVICE_EXP);
    expectClose(up, c.dup, DEVICE_EXP);
  });

  each("cross_entropy", (c) => checkCrossEntropy(k, c, DEVICE_EXP));

  each("embedding", (c) => checkEmbedding(k, c));

  each("bf16", (c) => checkBf16(k, c));
}
