// The sample kernels through nvcc: every architecture compiles, no registers spill, and the wrappers are the instructions they name.
import { describe, expect, test } from "vitest";
import { expectNoSpills, intermediate, nvccPresent } from "./nvcc.js";

const sample = new URL("../sample/sample.cu", import.meta.url);

describe.skipIf(!nvccPresent)("nvcc", () => {
  test("sm_80 to sm_120: no stack, no spills", () => expectNoSpills(sample, 7));

  test("the instructions", () => {
    const output = intermediate(sample);
    for (const instruction of [
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32",
      "mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32",
      "ldmatrix.sync.aligned.m8n8.x4.shared.b16",
      "ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16",
      "ldmatrix.sync.aligned.m8n8.x2.shared.b16",
      "cp.async.cg.shared.global",
      "cp.async.wait_group",
      "cvt.rn.bf16x2.f32",
      "ex2.approx.ftz.f32",
    ])
      expect(output).toContain(instruction);
  });
});
