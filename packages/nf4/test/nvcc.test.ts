// The kernels through nvcc: nothing spills.
import { describe, test } from "vitest";
import { expectNoSpills, nvccPresent } from "../../cuda-runtime/test/nvcc.js";

const source = (name: string) => new URL(`../native/${name}`, import.meta.url);

describe.skipIf(!nvccPresent)("sm_80 to sm_120: no stack, no spills", () => {
  test("codec", () => expectNoSpills(source("codec.cu"), 4));
  test("double quantisation", () => expectNoSpills(source("nested.cu"), 3));
  test("products", () => expectNoSpills(source("products.cu"), 10));
  test("few rows", () => expectNoSpills(source("gemv.cu"), 2));
});
