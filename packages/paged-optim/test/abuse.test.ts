// Every native function with arguments that are wrong in every way: errors, never a crash. Files of pages: page-file.test.ts.
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { abuse, type Calls, endWorkers, kernelsOf } from "../../../vitest.abuse.js";
import { packHyper } from "../src/hyper.js";
import { native } from "../src/native.js";

const f = (n: number) => new Float32Array(n).fill(0.5);
const u = (n: number) => new Uint8Array(n).fill(128);

function calls(n: number): Calls {
  const absmax = Math.ceil(n / 256);
  const none = [null, null, null, null];
  return new Map<string, unknown[]>([
    ["step", [0, n, f(n), f(n), packHyper({}), f(n), f(n), null, ...none, null, 0]],
    ["sumSquares", [f(n)]],
    ["scale", [f(n), 0.5]],
    ["encode", [f(n), true, u(n), f(absmax)]],
    ["decode", [u(n), f(absmax), true, f(n)]],
    ["dynamicMap", [true, f(256)]],
    ["widen", [new Uint16Array(n), f(n)]],
    ["copy", [f(n), f(n), 256]],
  ]);
}

describe.runIf(native.PageFile)("the addon", () => {
  test("wrong arguments of every native function", () => {
    const small = calls(300);
    expect([...small.keys(), "PageFile"].sort()).toEqual(kernelsOf(native).sort());
    const packed = [0, 300, f(300), f(300), packHyper({}), u(300), u(300), null, f(2), f(2), null, null, null, 0];
    const half = new Uint16Array(300);
    const random = [
      1,
      300,
      half,
      f(300),
      packHyper({}),
      f(300),
      null,
      null,
      null,
      null,
      null,
      null,
      new Uint32Array(4),
      0,
    ];
    let count = abuse(native, small);
    for (const args of [packed, random]) count += abuse(native, new Map([["step", args]]));
    console.log(`${count} calls`);
  });

  test("20 workers ended in the middle of their calls", { timeout: 600_000 }, async () => {
    const build = process.env.QLORA_BUILD ?? "build";
    await endWorkers(fileURLToPath(new URL(`../${build}/Release/paged-optim.node`, import.meta.url)), calls(300_000));
  });
});
