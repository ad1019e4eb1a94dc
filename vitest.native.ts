// For tests of native kernels without Node: compiles the kernels of a package and a check of them into one program.
import { execFileSync, spawnSync } from "node:child_process";
import { join } from "node:path";

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
