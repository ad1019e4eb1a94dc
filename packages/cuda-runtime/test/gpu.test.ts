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

  if (found.length === 0) return; // the sample is not compiled by nvcc then
  const sample = loadSample("sample", "sample-cuda");
  test("the sample was compiled by nvcc", () => expect(sample.cudaBackend).toBe("cuda"));
  describe("sample kernels", () => sampleSuite(sample, 0));
});
