// nvcc for tests: compiles a .cu file by itself, for what the compiler says of its kernels. Other packages' tests use it too.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
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

/** What addon.cmake compiles kernels for, all from the intermediate code of the first. */
const architectures = ["80", "86", "89", "90", "100", "120"];

/** Compiles a source file with the options of addon.cmake to the intermediate code. */
export function intermediate(source: URL): string {
  const path = fileURLToPath(source);
  const options = ["-std=c++20", "-O3", "--expt-relaxed-constexpr", `-I${include}`, `-I${dirname(path)}`];
  return inFolder((folder) => {
    const out = join(folder, "out.ptx");
    compile("-ptx", `-arch=compute_${architectures[0]}`, ...options, "-o", out, path);
    return readFileSync(out, "latin1");
  });
}

/** Expects that a source file has so many kernels, and that on no architecture one of them has a stack or spills registers. */
export function expectNoSpills(source: URL, kernels: number): void {
  const code = intermediate(source);
  inFolder((folder) => {
    const path = join(folder, "kernels.ptx");
    writeFileSync(path, code);
    for (const architecture of architectures) {
      const report = compile("-cubin", `-arch=sm_${architecture}`, "-Xptxas", "-v", "-o", join(folder, "out"), path);
      const frames = report.match(/\d+ bytes stack frame, \d+ bytes spill stores, \d+ bytes spill loads/g) ?? [];
      expect(frames, `sm_${architecture}`).toEqual(
        Array.from({ length: kernels }, () => "0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads"),
      );
    }
  });
}

/** Runs nvcc; no warning is let pass. @returns what it says */
function compile(...options: string[]): string {
  const { status, stderr, stdout } = spawnSync(compiler, options, { encoding: "utf8", env });
  expect(stderr).not.toMatch(/error|warning/);
  expect(status).toBe(0);
  return stdout + stderr;
}

function inFolder<T>(use: (folder: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), "qlora-nvcc-"));
  try {
    return use(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
