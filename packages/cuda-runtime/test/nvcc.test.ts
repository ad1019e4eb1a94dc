// The sample kernels through nvcc: every architecture compiles, no registers spill, and the wrappers are the instructions they name.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));
const nvcc = process.env.CUDACXX ?? "nvcc";
const env = { ...process.env, LD_PRELOAD: "" }; // without the sanitizers of test:sanitize
const present = spawnSync(nvcc, ["--version"], { env }).status === 0;
if (!present) console.warn("SKIPPED: there is no nvcc here");

function compile(...options: string[]): { report: string; output: string } {
  const folder = mkdtempSync(join(tmpdir(), "qlora-nvcc-"));
  try {
    const out = join(folder, "out");
    const common = ["-std=c++20", "-O3", "--expt-relaxed-constexpr", `-I${root}include`, `-I${root}sample`, "-o", out];
    const { status, stderr, stdout } = spawnSync(nvcc, [...common, ...options, `${root}sample/sample.cu`], {
      encoding: "utf8",
      env,
    });
    expect(stderr).not.toMatch(/error|warning/);
    expect(status).toBe(0);
    return { report: stdout + stderr, output: readFileSync(out, "latin1") };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe.skipIf(!present)("nvcc", () => {
  test.each(["80", "90", "120"])("sm_%s: no stack, no spills", (architecture) => {
    const { report } = compile("-cubin", `-arch=sm_${architecture}`, "-Xptxas", "-v");
    const frames = report.match(/\d+ bytes stack frame, \d+ bytes spill stores, \d+ bytes spill loads/g) ?? [];
    expect(frames.length).toBe(6);
    expect(new Set(frames)).toEqual(new Set(["0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads"]));
  });

  test("the instructions", () => {
    const { output } = compile("-ptx", "-arch=sm_80");
    for (const instruction of [
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32",
      "mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32",
      "ldmatrix.sync.aligned.m8n8.x4.shared.b16",
      "ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16",
      "ldmatrix.sync.aligned.m8n8.x2.shared.b16",
      "cp.async.cg.shared.global",
      "cp.async.wait_group",
      "cvt.rn.bf16x2.f32",
    ])
      expect(output).toContain(instruction);
  });
});
