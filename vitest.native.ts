// For tests of native kernels without Node: compiles the kernels of a package and a check of them into one program, and runs it.
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";

const include = new URL("packages/cuda-runtime/include", import.meta.url).pathname;

/** The instruction sets of this kind of processor and their flags, scalar first. */
export function sets(arch: string): Record<string, string[]> {
  if (arch === "arm64") return { scalar: [], neon: [] };
  if (arch !== "x64") return { scalar: [] };
  const avx512 = ["f", "bw", "dq", "vl", "vbmi"].map((part) => `-mavx512${part}`);
  return { scalar: [], avx2: ["-mavx2", "-mfma", "-mf16c"], avx512: [...avx512, "-mfma", "-mf16c"] };
}

/**
 * @param root the package's folder.
 * @param sources files of the package that are compiled for any processor.
 * @param kernels file name up to the `_<set>.cc` of each set.
 * @returns the program's path within `folder`.
 */
export function build(
  folder: string,
  compiler: string,
  flags: string[],
  {
    root,
    sources,
    kernels,
    sets,
  }: { root: string; sources: string[]; kernels: string; sets: Record<string, string[]> },
): string {
  const compile = (source: string, more: string[] = []) => {
    const object = join(folder, `${compiler}-${source.replaceAll("/", "_")}.o`);
    const common = ["-std=gnu++20", "-ffp-contract=off", `-I${include}`, ...flags, ...more];
    execFileSync(compiler, [...common, "-c", join(root, source), "-o", object]);
    return object;
  };
  const objects = [
    ...sources.map((source) => compile(source)),
    ...Object.entries(sets).map(([name, more]) => compile(`${kernels}_${name}.cc`, [`-DQLORA_SIMD=${name}`, ...more])),
  ];
  const program = join(folder, `${compiler}-check`);
  execFileSync(compiler, [...objects, ...flags, "-pthread", "-o", program]);
  return program;
}

/** The first of these programs that can be run. */
export function installed(...names: string[]): string | undefined {
  return names.find((name) => !spawnSync(name, ["--version"]).error);
}

/**
 * The tests of `test/native/<name>_check.cc` on `native/<name>.cc`: every instruction set beside scalar under the address and
 * undefined-behaviour sanitizers, and NEON under emulation where a cross compiler and qemu are installed (Debian:
 * g++-aarch64-linux-gnu, qemu-user).
 * @param url the test's; @param cases how many the check counts; @param simds the instruction sets of this machine.
 */
export function checkKernels(url: string, name: string, cases: number, simds: readonly string[]): void {
  const folder = mkdtempSync(join(tmpdir(), `${name}-`));
  afterAll(() => rmSync(folder, { recursive: true }));
  const root = new URL("..", url).pathname;
  const sources = [`native/${name}.cc`, `test/native/${name}_check.cc`];
  const program = (compiler: string, flags: string[], arch: string) =>
    build(folder, compiler, flags, { root, sources, kernels: `native/${name}`, sets: sets(arch) });
  const check = (command: string, ...args: string[]) => {
    const { stdout, stderr, status } = spawnSync(command, args, { encoding: "utf8" });
    expect({ stdout, stderr, status }).toEqual({ stdout: `${cases} cases\n`, stderr: "", status: 0 });
  };

  const compiler = installed("g++", "clang++", "c++");
  if (!compiler) console.warn(`skipped: ${name} under the sanitizers (no C++ compiler)`);
  test.skipIf(!compiler)("under the sanitizers", { timeout: 900_000 }, () => {
    const flags = ["-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"];
    const path = program(compiler!, flags, process.arch);
    for (const set of Object.keys(sets(process.arch)).slice(1)) if (simds.includes(set)) check(path, set);
  });

  const arm = installed("aarch64-linux-gnu-g++");
  const emulator = installed("qemu-aarch64");
  if (!arm || !emulator) console.warn("skipped: NEON under emulation (needs aarch64-linux-gnu-g++ and qemu-aarch64)");
  test.skipIf(!arm || !emulator)("NEON, for 64-bit ARM", { timeout: 900_000 }, () =>
    check(emulator!, program(arm!, ["-O2", "-static"], "arm64"), "neon"),
  );
}
