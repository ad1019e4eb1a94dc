// The kernels through nvcc: those with the most registers spill none.
import { describe, test } from "vitest";
import { expectNoSpills, nvccPresent } from "../../cuda-runtime/test/nvcc.js";

const source = (name: string) => new URL(`../native/${name}`, import.meta.url);

describe.skipIf(!nvccPresent)("sm_80 to sm_120: no stack, no spills", () => {
  test("attention", () => expectNoSpills(source("attention.cu"), 5));
  test("attentionBackward", () => expectNoSpills(source("attention_backward.cu"), 7));
  test("crossEntropy", () => expectNoSpills(source("cross_entropy.cu"), 2));
});
