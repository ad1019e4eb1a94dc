// The kernels without Node (test/native/codec_check.cc): every instruction set against scalar under the address and
// undefined-behaviour sanitizers; and NEON, compiled for 64-bit ARM and run under emulation where a cross compiler and qemu are
// installed (Debian: g++-aarch64-linux-gnu, qemu-user).
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { simds } from "../src/index.js";

const root = new URL("..", import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), "nf4-native-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** Compiles the codec with these instruction sets ({ name: flags }) and the check; returns the program. */
function build(compiler: string, flags: string[], sets: Record<string, string[]>): string {
  const compile = (source: string, more: string[] = []) => {
    const object = join(folder, `${compiler}-${source.replaceAll("/", "_")}.o`);
    const include = `-I${root}../cuda-runtime/include`;
    execFileSync(compiler, [
      "-std=gnu++20",
      "-ffp-contract=off",
      include,
      ...flags,
      ...more,
      "-c",
      join(root, source),
      "-o",
      object,
    ]);
    return object;
  };
  const objects = [
    ...["codec", "codebook", "blockwise"].map((name) => compile(`native/${name}.cc`)),
    ...Object.entries(sets).map(([name, more]) =>
      compile(`native/codec_${name}.cc`, [`-DQLORA_SIMD=${name}`, ...more]),
    ),
    compile("test/native/codec_check.cc"),
  ];
  const program = join(folder, `${compiler}-check`);
  execFileSync(compiler, [...objects, ...flags, "-pthread", "-o", program]);
  return program;
}

const expected = { stdout: "864 cases, the same bytes\n", stderr: "", status: 0 };
const outcome = ({ stdout, stderr, status }: ReturnType<typeof spawnSync>) => ({
  stdout: String(stdout),
  stderr: String(stderr),
  status,
});

describe("under the sanitizers", () => {
  const x86: Record<string, string[]> = {
    avx2: ["-mavx2", "-mfma", "-mf16c"],
    avx512: ["f", "bw", "dq", "vl", "vbmi"].map((part) => `-mavx512${part}`).concat("-mfma", "-mf16c"),
  };
  const sets =
    process.arch === "x64"
      ? { scalar: [], ...x86 }
      : process.arch === "arm64"
        ? { scalar: [], neon: [] }
        : { scalar: [] };
  const compiler = ["g++", "clang++", "c++"].find((name) => !spawnSync(name, ["--version"]).error);
  if (!compiler) console.warn("skipped: the kernels under the sanitizers (no C++ compiler)");
  const flags = ["-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"];

  test.skipIf(!compiler)(
    "every instruction set gives scalar's bytes and nothing is found",
    { timeout: 900_000 },
    () => {
      const program = build(compiler!, flags, sets);
      for (const name of Object.keys(sets).filter((set) => simds().includes(set)))
        expect(outcome(spawnSync(program, [name]))).toEqual(expected);
    },
  );
});

describe("for 64-bit ARM", () => {
  const tools = ["aarch64-linux-gnu-g++", "qemu-aarch64"] as const;
  const missing = tools.filter((tool) => spawnSync(tool, ["--version"]).error);
  if (missing.length > 0) console.warn(`skipped: NEON under emulation (not installed: ${missing.join(", ")})`);

  test.skipIf(missing.length > 0)("NEON gives scalar's bytes", { timeout: 900_000 }, () => {
    const program = build(tools[0], ["-O2", "-static"], { scalar: [], neon: [] });
    expect(outcome(spawnSync(tools[1], [program, "neon"]))).toEqual(expected);
  });
});
