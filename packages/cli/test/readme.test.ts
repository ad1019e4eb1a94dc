// The README's commands run as printed, in a folder that has what the repository's root has.
import { spawn } from "node:child_process";
import { chmodSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { runReadme } from "../../../vitest.readme.js";
import { program } from "./bundle.js";
import { folder } from "./qlora.js";

const url = new URL("../README.md", import.meta.url);
runReadme(url);

const root = join(import.meta.dirname, "../../..");
const commands = [...readFileSync(url, "utf8").matchAll(/^```sh\n(.*?)^```$/gms)].flatMap(([, block]) =>
  block!.trimEnd().split("\n"),
);

test("its commands", async () => {
  expect(commands.length).toBeGreaterThan(10);
  const bin = folder({ qlora: `#!/bin/sh\nexec "${process.execPath}" "${program}" "$@"\n` });
  chmodSync(join(bin, "qlora"), 0o755);
  const cwd = folder();
  for (const name of ["examples", "LICENSE"]) symlinkSync(join(root, name), join(cwd, name));
  for (const command of commands) {
    const { code, output } = await shell(command, cwd, bin);
    expect(code, `${command}\n${output}`).toBe(0);
    expect(output.length, command).toBeGreaterThan(0);
  }
});

function shell(command: string, cwd: string, bin: string): Promise<{ code: number | null; output: string }> {
  const child = spawn("/bin/sh", ["-c", command], { cwd, env: { ...process.env, PATH: `${bin}:${process.env.PATH}` } });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => (output += text));
  child.stdin.end();
  return new Promise((done) => child.on("close", (code) => done({ code, output })));
}
