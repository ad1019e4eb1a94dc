// Packages with kernels compute on the same threads, so that those of one are not in the way of another's.
import * as kernels from "@qlora/kernels";
import * as nf4 from "@qlora/nf4";
import { afterAll, expect, test } from "vitest";

const before = nf4.threads();
afterAll(() => nf4.setThreads(before));

const { header } = process.report.getReport() as { header: { glibcVersionRuntime?: string } };

test.skipIf(!header.glibcVersionRuntime)("one pool of threads a process", () => {
  for (const count of [3, 1, 2]) {
    nf4.setThreads(count);
    expect(kernels.threads()).toBe(count);
  }
});
