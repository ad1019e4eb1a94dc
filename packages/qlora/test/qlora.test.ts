// The command answers under its own name.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";

const run = (...args: string[]) =>
  spawnSync(process.execPath, [join(import.meta.dirname, "../qlora.js"), ...args], { encoding: "utf8" });

test("help and version", () => {
  const help = run("--help");
  expect(help.status).toBe(0);
  expect(help.stdout).toContain("train");
  expect(run("--version").stdout).toMatch(/\d+\.\d+\.\d+/);
});

test("exit code 2 for a command that does not exist", () => {
  const { status, stderr } = run("trian");
  expect(status).toBe(2);
  expect(stderr).toContain("did you mean train");
});
