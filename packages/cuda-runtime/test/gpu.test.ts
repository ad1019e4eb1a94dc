// The same suite on a real GPU, where there is one.
import { describe, expect, test } from "vitest";
import { devices } from "../src/index.js";
import { loadSample } from "./sample/sample.js";
import { sampleSuite } from "./sample/suite.js";
import { suite } from "./suite.js";

const { devices: found, reason } = devices();
if (found.length === 0) console.warn(`SKIPPED on a real GPU: ${reason}`);

describe.skipIf(found.length === 0)("GPU 0", () => {
  test("tells its memory", () => {
    expect(found[0]!.freeMemory).toBeGreaterThan(0);
    expect(found[0]!.freeMemory).toBeLessThanOrEqual(found[0]!.totalMemory);
  });
  suite(0);

  if (found.length === 0) return; // the sample is built for the GPU only where there is one
  const sample = loadSample("sample", "sample-cuda");
  if (sample.cudaBackend !== "cuda") console.warn("SKIPPED the sample kernels on the GPU: there is no nvcc here");
  describe.skipIf(sample.cudaBackend !== "cuda")("sample kernels", () => sampleSuite(sample, 0));
});
