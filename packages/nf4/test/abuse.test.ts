// Every native function with arguments that are wrong in every way: errors, never a crash.
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { abuse, type Calls, endWorkers, kernelsOf, recordCalls } from "../../../vitest.abuse.js";
import * as nf4 from "../src/index.js";
import { native } from "../src/native.js";
import { gaussian } from "./random.js";

const addon = native;

function calls(n: number, k: number): Calls {
  return recordCalls(addon!, () => {
    const q = nf4.quantize(gaussian(n * k, 1), { shape: [n, k], shift: "information", scale: "mse-search" });
    nf4.dequantize(q);
    nf4.matmul(gaussian(2 * k, 2), q);
    nf4.matmulTransposed(gaussian(2 * n, 3), q);
    nf4.untile(nf4.tile(q));
    nf4.dequantizeBlockwise(nf4.quantizeBlockwise(gaussian(300, 4)));
  });
}

describe.skipIf(addon === undefined)("the addon", () => {
  test("wrong arguments of every native function", () => {
    const all = calls(16, 64);
    expect([...all.keys()].sort()).toEqual(kernelsOf(addon!).sort());
    console.log(`${abuse(addon!, all)} calls`);
  });

  test("20 workers ended in the middle of their calls", { timeout: 600_000 }, async () => {
    const build = process.env.QLORA_BUILD ?? "build";
    await endWorkers(fileURLToPath(new URL(`../${build}/Release/nf4.node`, import.meta.url)), calls(256, 512));
  });
});
