// nvcc for tests: compiles a .cu file by itself, for what the compiler says of its kernels. Other packages' tests use it too.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "vitest";

const compiler = process.env.CUDACXX ?? "nvcc";
const include = fileURLToPath(new URL("../include", import.meta.url));
const env = { ...process.env, LD_PRELOAD: "" }; // without the sanitizers of test:sanitize

/** False where there is no nvcc; says so. */
export const nvccPresent = spawnSync(compiler, ["--version"], { env }).status === 0;
if (!nvccPresent) console.warn("SKIPPED: there is no nvcc here");

/** What kernels are compiled for in tests; with QLORA_CUDA_FAT all that releases are built for. */
export const architectures = process.env.QLORA_CUDA_FAT ? ["80", "86", "89", "90", "100", "120"] : ["80", "90"];

/** Compiles a source file with the options of addon.cmake and these; no warning is let pass. */
export function compile(source: URL, ...options: string[]): { report: string; output: string } {
  const folder = mkdtempSync(join(tmpdir(), "qlora-nvcc-"));
  const path = fileURLToPath(source);
  try {
    const out = join(folder, "out");
    const common = ["-std=c++20", "-O3", "--expt-relaxed-constexpr", `-I${include}`, `-I${dirname(path)}`, "-o", out];
    const { status, stderr, stdout } = spawnSync(compiler, [...common, ...options, path], { encoding: "utf8", env });
    expect(stderr).not.toMatch(/error|warning/);
    expect(status).toBe(0);
    return { report: stdout + stderr, output: readFileSync(out, "latin1") };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Expects that a source file has so many kernels, and that none of them has a stack or spills registers. */
export function expectNoSpills(source: URL, architecture: string, kernels: number): void {
  const { report } = compile(source, "-cubin", `-arch=sm_${architecture}`, "-Xptxas", "-v");
  const frames = report.match(/\d+ bytes stack frame, \d+ bytes spill stores, \d+ bytes spill loads/g) ?? [];
  expect(frames.length).toBe(kernels);
  expect(new Set(frames)).toEqual(new Set(["0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads"]));
}
