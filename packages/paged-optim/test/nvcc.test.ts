// The kernels through nvcc: nothing spills.
import { describe, test } from "vitest";
import { architectures, expectNoSpills, nvccPresent } from "../../cuda-runtime/test/nvcc.js";

const source = (name: string) => new URL(`../native/${name}`, import.meta.url);

describe.skipIf(!nvccPresent).each(architectures)("sm_%s: no stack, no spills", (architecture) => {
  test("steps", () => expectNoSpills(source("step.cu"), architecture, 8));
  test("the norm", () => expectNoSpills(source("norm.cu"), architecture, 4));
});
