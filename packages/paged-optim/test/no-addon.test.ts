// Where no addon can be loaded, everything runs on the reference.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { parameter, setGradients } from "./inputs.js";

test("without an addon", async () => {
  vi.doMock("@qlora/cuda-runtime/load", async (original) => {
    const real = await original<typeof import("@qlora/cuda-runtime/load")>();
    return {
      ...real,
      loadAddon: () => {
        throw new real.AddonError("none here");
      },
    };
  });
  const optim = await import("../src/index.js");
  const { native } = await import("../src/native.js");
  expect(optim.simd()).toBe("reference");
  expect(optim.simds()).toEqual(["reference"]);
  optim.setSimd("reference");
  expect(() => optim.setSimd("avx2")).toThrow(RangeError);
  optim.setThreads(4);
  expect(optim.threads()).toBe(1);
  expect(native.PageFile).toBeUndefined();

  const folder = mkdtempSync(join(tmpdir(), "qlora-no-addon-"));
  const [p, q] = [[parameter("w", 5000)], [parameter("w", 5000)]];
  using memory = new optim.AdamW(p, { bits: 8 });
  using paged = new optim.AdamW(q, { bits: 8, paging: { path: join(folder, "state"), budget: 8192, pageBytes: 4096 } });
  for (let step = 1; step <= 3; ++step) {
    setGradients(p, step);
    setGradients(q, step);
    const { gradNorm } = memory.step({ maxNorm: 0.1 });
    expect(gradNorm).toBe(optim.gradNorm(p));
    paged.step({ maxNorm: 0.1 });
  }
  optim.clipGradNorm(p, 0.05);
  expect(optim.gradNorm(p)).toBeCloseTo(0.05, 5);
  expect(q[0]!.data).toEqual(p[0]!.data);
  expect(paged.stateDict()).toEqual(memory.stateDict());
  rmSync(folder, { recursive: true });
});
