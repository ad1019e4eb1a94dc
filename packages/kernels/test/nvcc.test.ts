// The kernels through nvcc: those with the most registers spill none.
import { describe, test } from "vitest";
import { architectures, expectNoSpills, nvccPresent } from "../../cuda-runtime/test/nvcc.js";

const source = (name: string) => new URL(`../native/${name}`, import.meta.url);

describe.skipIf(!nvccPresent).each(architectures)("sm_%s: no stack, no spills", (architecture) => {
  test("attention", () => expectNoSpills(source("attention.cu"), architecture, 5));
  test("attentionBackward", () => expectNoSpills(source("attention_backward.cu"), architecture, 7));
  test("crossEntropy", () => expectNoSpills(source("cross_entropy.cu"), architecture, 2));
});
