// The kernels through nvcc: nothing spills.
import { describe, test } from "vitest";
import { architectures, expectNoSpills, nvccPresent } from "../../cuda-runtime/test/nvcc.js";

const source = (name: string) => new URL(`../native/${name}`, import.meta.url);

describe.skipIf(!nvccPresent).each(architectures)("sm_%s: no stack, no spills", (architecture) => {
  test("codec", () => expectNoSpills(source("codec.cu"), architecture, 4));
  test("double quantisation", () => expectNoSpills(source("nested.cu"), architecture, 3));
  test("products", () => expectNoSpills(source("products.cu"), architecture, 10));
  test("few rows", () => expectNoSpills(source("gemv.cu"), architecture, 2));
});
