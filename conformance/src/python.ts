// The Python that has the reference installed, if there is one: QLORA_PYTHON, or conformance/.venv (see README.md).
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";

const candidates = [process.env.QLORA_PYTHON, join(import.meta.dirname, "../.venv/bin/python")];

/** Its path, or undefined where torch, transformers, peft and `others` cannot be imported. */
export function findPython(...others: string[]): string | undefined {
  const imports = `import ${["torch", "transformers", "peft", ...others].join(", ")}`;
  return candidates.find((path) => path && existsSync(path) && spawnSync(path, ["-c", imports]).status === 0);
}

export function runPython(python: string, args: string[]): void {
  const { status, stderr } = spawnSync(python, args, {
    encoding: "utf8",
    env: { ...process.env, HF_HUB_OFFLINE: "1" },
  });
  if (status !== 0) throw new Error(`${args[0]} failed:\n${stderr.split("\n").slice(-12).join("\n")}`);
}
