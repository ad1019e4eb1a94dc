// The dense products through nvcc: nothing spills.
import { describe, test } from "vitest";
import { architectures, expectNoSpills, nvccPresent } from "../../cuda-runtime/test/nvcc.js";

const source = (name: string) => new URL(`../native/${name}`, import.meta.url);

describe.skipIf(!nvccPresent).each(architectures)("sm_%s: no stack, no spills", (architecture) => {
  test("the tile loop", () => expectNoSpills(source("matmul.cu"), architecture, 9));
  test("few rows", () => expectNoSpills(source("gemv.cu"), architecture, 4));
});
