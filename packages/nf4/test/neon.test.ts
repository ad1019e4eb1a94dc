// The NEON kernels give scalar's bytes: compiled for 64-bit ARM and run under emulation, where a cross compiler and qemu are
// installed (Debian: g++-aarch64-linux-gnu, qemu-user); on an ARM machine simd.test.ts covers them directly.
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";

const tools = ["aarch64-linux-gnu-g++", "qemu-aarch64"];
const missing = tools.filter((tool) => spawnSync(tool, ["--version"]).error);
if (missing.length > 0) console.warn(`skipped: NEON under emulation (not installed: ${missing.join(", ")})`);

test.skipIf(missing.length > 0)("NEON gives scalar's bytes", { timeout: 600_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), "nf4-neon-"));
  const root = new URL("..", import.meta.url).pathname;
  const flags = ["-O2", "-std=c++20", "-ffp-contract=off", `-I${root}../cuda-runtime/include`];
  const compile = (source: string, ...more: string[]) => {
    const object = join(folder, `${source.replaceAll("/", "_")}.o`);
    execFileSync(tools[0]!, [...flags, ...more, "-c", join(root, source), "-o", object]);
    return object;
  };
  try {
    const objects = [
      ...["codec", "codebook", "blockwise"].map((name) => compile(`native/${name}.cc`)),
      ...["scalar", "neon"].map((name) => compile(`native/codec_${name}.cc`, `-DQLORA_SIMD=${name}`)),
      compile("test/native/codec_check.cc"),
    ];
    const program = join(folder, "check");
    execFileSync(tools[0]!, [...objects, "-static", "-pthread", "-o", program]);
    const { stdout, status } = spawnSync(tools[1]!, [program, "neon"], { encoding: "utf8" });
    expect({ stdout, status }).toEqual({ stdout: "864 cases, the same bytes\n", status: 0 });
  } finally {
    rmSync(folder, { recursive: true });
  }
});
