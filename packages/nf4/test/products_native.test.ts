// The products' kernels without Node (test/native/products_check.cc): every instruction set beside scalar under the address
// and undefined-behaviour sanitizers, and NEON under emulation where a cross compiler and qemu are installed (Debian:
// g++-aarch64-linux-gnu, qemu-user).
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { build, installed, sets } from "../../../vitest.native.js";
import { simds } from "../src/index.js";

const folder = mkdtempSync(join(tmpdir(), "nf4-products-"));
afterAll(() => rmSync(folder, { recursive: true }));

const sources = ["native/products.cc", "test/native/products_check.cc"];
const kernels = "native/products";
const root = new URL("..", import.meta.url).pathname;

function check(command: string, ...args: string[]): void {
  const { stdout, stderr, status } = spawnSync(command, args, { encoding: "utf8" });
  expect({ stdout, stderr, status }).toEqual({ stdout: "2464 cases\n", stderr: "", status: 0 });
}

const compiler = installed("g++", "clang++", "c++");
if (!compiler) console.warn("skipped: the products under the sanitizers (no C++ compiler)");

test.skipIf(!compiler)("under the sanitizers", { timeout: 900_000 }, () => {
  const flags = ["-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"];
  const program = build(folder, compiler!, flags, { root, sources, kernels, sets: sets(process.arch) });
  for (const name of Object.keys(sets(process.arch)).slice(1)) if (simds().includes(name)) check(program, name);
});

const arm = installed("aarch64-linux-gnu-g++");
const emulator = installed("qemu-aarch64");
if (!arm || !emulator) console.warn("skipped: NEON under emulation (needs aarch64-linux-gnu-g++ and qemu-aarch64)");

test.skipIf(!arm || !emulator)("NEON, for 64-bit ARM", { timeout: 900_000 }, () => {
  const program = build(folder, arm!, ["-O2", "-static"], { root, sources, kernels, sets: sets("arm64") });
  check(emulator!, program, "neon");
});
