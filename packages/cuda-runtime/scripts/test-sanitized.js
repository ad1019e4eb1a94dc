// Runs the tests of the package in the current folder with its addons built with AddressSanitizer and
// UndefinedBehaviorSanitizer (into build/sanitize). Arguments go to vitest. Node itself is not instrumented, so the
// sanitizers' libraries are loaded before it.
import { execFileSync, spawnSync } from "node:child_process";
import { createRequire } from "node:module";
import { join } from "node:path";
import process from "node:process";

const require = createRequire(import.meta.url);
const definitions = ["--CDSANITIZE=ON", "--CDCUDA=OFF"];
const cmakeJs = require.resolve("cmake-js/bin/cmake-js");
const build = [cmakeJs, "build", "--log-level", "error", "-O", "build/sanitize", ...definitions];
const built = spawnSync(process.execPath, build, { encoding: "utf8" });
if (built.status !== 0) {
  console.error(built.stdout + built.stderr);
  process.exit(1);
}

const library = (name) =>
  execFileSync(process.env.CXX ?? "c++", [`-print-file-name=${name}`], { encoding: "utf8" }).trim();
const vitest = join(require.resolve("vitest/package.json"), "../vitest.mjs");
const { status, signal } = spawnSync(process.execPath, [vitest, "run", ...process.argv.slice(2)], {
  stdio: "inherit",
  env: {
    ...process.env,
    QLORA_BUILD: "build/sanitize",
    LD_PRELOAD: `${library("libasan.so")} ${library("libubsan.so")}`,
    ASAN_OPTIONS: "detect_leaks=0:halt_on_error=1:detect_stack_use_after_return=0",
    UBSAN_OPTIONS: "halt_on_error=1:print_stacktrace=1",
  },
});
if (signal) console.error(`vitest ended by ${signal}`);
process.exit(status ?? 1);
