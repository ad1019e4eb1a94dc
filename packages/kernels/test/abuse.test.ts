// Every native function with arguments that are wrong in every way: errors, never a crash.
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { abuse, type Calls, endWorkers, kernelsOf, recordCalls } from "../../../vitest.abuse.js";
import * as kernels from "../src/index.js";
import { native } from "../src/native.js";
import { operations } from "./operations.js";

function calls(size: "small" | "large"): Calls {
  return recordCalls(native, () => {
    for (const operation of operations) operation.call(kernels, operation.arrays(operation[size]), operation[size]);
    const [m, n, k] = size === "small" ? [2, 3, 5] : [70, 130, 300];
    const array = (length: number) => new Float32Array(length).fill(0.5);
    for (const compute of ["f32", "int8"] as const) {
      kernels.matmul(array(m * k), array(n * k), array(m * n), { m, n, k, compute });
      kernels.matmulTransposed(array(m * n), array(n * k), array(m * k), { m, n, k, compute });
    }
    kernels.preferHugePages(array(k));
    kernels.matmulGradWeight(array(m * n), array(m * k), array(n * k), { m, n, k });
  });
}

test("wrong arguments of every native function", () => {
  const all = calls("small");
  expect([...all.keys()].sort()).toEqual(kernelsOf(native).sort());
  console.log(`${abuse(native, all)} calls`);
});

test("20 workers ended in the middle of their calls", { timeout: 600_000 }, async () => {
  const build = process.env.QLORA_BUILD ?? "build";
  await endWorkers(fileURLToPath(new URL(`../${build}/Release/kernels.node`, import.meta.url)), calls("large"));
});
