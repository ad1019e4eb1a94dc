// Runs tests of the package in the current folder with its addons built under sanitizers (into build/sanitize-<kind>):
//
//   node test-sanitized.js address [vitest arguments]   AddressSanitizer and UndefinedBehaviorSanitizer, for the best instruction
//                                                       set here: the others' kernels take minutes to compile so
//   node test-sanitized.js thread [vitest arguments]    ThreadSanitizer, the scalar kernels: how work is divided is the same for all
//
// Node itself is not instrumented, so the sanitizers' libraries are loaded before it. A report ends the process.
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import process from "node:process";

const require = createRequire(import.meta.url);

function bestSet() {
  if (process.arch !== "x64") return process.arch === "arm64" ? "neon" : "scalar";
  const flags = existsSync("/proc/cpuinfo") ? readFileSync("/proc/cpuinfo", "utf8") : "";
  return /\bavx512_?vbmi\b/.test(flags) ? "avx512" : /\bavx2\b/.test(flags) ? "avx2" : "scalar";
}

const kinds = {
  address: {
    libraries: ["libasan.so", "libubsan.so"],
    definitions: [`--CDSIMD=${bestSet()}`],
    env: {
      ASAN_OPTIONS: "detect_leaks=0:halt_on_error=1:detect_stack_use_after_return=0",
      UBSAN_OPTIONS: "halt_on_error=1:print_stacktrace=1",
    },
  },
  thread: {
    libraries: ["libtsan.so"],
    definitions: ["--CDSIMD=scalar"],
    env: { TSAN_OPTIONS: "halt_on_error=1:ignore_noninstrumented_modules=1", QLORA_SIMD: "scalar" },
  },
};
const [kind, ...rest] = process.argv.slice(2);
if (!Object.hasOwn(kinds, kind)) throw new Error(`which sanitizers: ${Object.keys(kinds).join(" or ")}?`);
const { libraries, definitions, env } = kinds[kind];

const folder = `build/sanitize-${kind}`;
const cmakeJs = require.resolve("cmake-js/bin/cmake-js");
const runtime = join(import.meta.dirname, "..");
// The device's memory is @qlora/cuda-runtime's: its guards are there for kernels of other packages only if it is built alike.
const built = kind === "address" ? [runtime, process.cwd()] : [process.cwd()];
for (const cwd of new Set(built)) {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [cmakeJs, "build", "--log-level", "error", "-O", folder, `--CDSANITIZE=${kind}`, "--CDCUDA=OFF", ...definitions],
    { cwd, encoding: "utf8" },
  );
  if (status === 0) continue;
  console.error(stdout + stderr);
  process.exit(1);
}

const library = (name) =>
  execFileSync(process.env.CXX ?? "c++", [`-print-file-name=${name}`], { encoding: "utf8" }).trim();
const vitest = join(require.resolve("vitest/package.json"), "../vitest.mjs");
const elsewhere = ["*nvcc", "*_native", "readme", "tarball", "browser"].map((name) => `--exclude=**/${name}.test.ts`); // no addon of this build
const { status, signal } = spawnSync(process.execPath, [vitest, "run", "--reporter=default", ...elsewhere, ...rest], {
  stdio: "inherit",
  env: { ...process.env, QLORA_BUILD: folder, LD_PRELOAD: libraries.map(library).join(" "), ...env },
});
if (signal) console.error(`vitest ended by ${signal}`);
process.exit(status ?? 1);
