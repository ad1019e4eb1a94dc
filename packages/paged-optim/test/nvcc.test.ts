// The kernels through nvcc: nothing spills.
import { describe, test } from "vitest";
import { expectNoSpills, nvccPresent } from "../../cuda-runtime/test/nvcc.js";

const source = (name: string) => new URL(`../native/${name}`, import.meta.url);

describe.skipIf(!nvccPresent)("sm_80 to sm_120: no stack, no spills", () => {
  test("steps", () => expectNoSpills(source("step.cu"), 8));
  test("the norm", () => expectNoSpills(source("norm.cu"), 4));
});
