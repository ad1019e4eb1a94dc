// Under AddressSanitizer (pnpm test:sanitize) the out-of-bounds kernels end the process at the very access.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { mistakes, sanitized } from "./sample/sample.js";

if (!sanitized)
  console.warn("SKIPPED: not built with AddressSanitizer (pnpm --filter @qlora/cuda-runtime test:sanitize)");

// Runs one wrong kernel of the sample in a process of its own.
function report(which: (typeof mistakes)[number]): string {
  const folder = fileURLToPath(new URL("../build/sanitize-address/Release/", import.meta.url));
  const code = `
    const runtime = require(${JSON.stringify(folder)} + "cuda-runtime.node");
    const sample = require(${JSON.stringify(folder)} + "sample.emu.node");
    const [x, y] = [0, 1].map(() => runtime.allocate(-1, 0, 256).pointer);
    runtime.memset(-1, x, 0, 256, false, 0n);
    sample.mistake(${mistakes.indexOf(which)}, x, y, 64, 0n);
    console.log("went through");`;
  const { status, stdout, stderr } = spawnSync(process.execPath, ["-e", code], { encoding: "utf8" });
  expect(stdout).toBe("");
  expect(status).not.toBe(0);
  return stderr;
}

describe.skipIf(!sanitized)("AddressSanitizer", () => {
  test("beyond device memory", () => {
    const text = report("global_out_of_bounds");
    expect(text).toMatch(/ERROR: AddressSanitizer: use-after-poison|heap-buffer-overflow/);
    expect(text).toMatch(/WRITE of size 4/);
    expect(text).toMatch(/global_out_of_bounds.*mistakes\.cu:\d+/);
  });
  test("beyond dynamic shared memory", () => {
    const text = report("shared_out_of_bounds");
    expect(text).toMatch(/ERROR: AddressSanitizer: use-after-poison/);
    expect(text).toMatch(/shared_out_of_bounds.*mistakes\.cu:\d+/);
  });
});
