// Runs a program under strace: which system calls it makes on files below a folder, and what happens when one of them goes wrong.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const strace = ["strace", "-f", "-qq"];
/** System calls that change files. */
export const changing = ["write", "pwrite64", "fsync", "ftruncate", "rename", "mkdir", "unlink", "rmdir"] as const;

/** Why there is no strace to test with, or undefined. */
export function noStrace(): string | undefined {
  const { status, error } = spawnSync(strace[0]!, [
    ...strace.slice(1),
    "-e",
    "trace=rename",
    "-o",
    "/dev/null",
    "true",
  ]);
  if (error) return "strace is not installed";
  return status === 0 ? undefined : "strace may not trace here";
}

/** A call to interfere with: the `when`-th of its name in its thread (strace counts by thread). */
export interface Call {
  name: (typeof changing)[number];
  when: number;
  line: string;
}

/** The changing calls on files below `dir` that `command` makes, in order. */
export function callsBelow(dir: string, command: readonly string[]): Call[] {
  const folder = mkdtempSync(join(tmpdir(), "qlora-strace-"));
  try {
    const out = join(folder, "trace");
    spawnSync(strace[0]!, [
      ...strace.slice(1),
      "-y",
      "-s",
      "0",
      "-e",
      `trace=${changing.join()}`,
      "-o",
      out,
      ...command,
    ]);
    const counts = new Map<string, number>();
    const calls: Call[] = [];
    for (const line of readFileSync(out, "utf8").split("\n")) {
      const [, thread, name] = /^(\d+)\s+(\w+)\(/.exec(line) ?? [];
      if (!name) continue;
      const when = (counts.get(`${thread} ${name}`) ?? 0) + 1;
      counts.set(`${thread} ${name}`, when);
      if (line.includes(dir)) calls.push({ name: name as Call["name"], when, line });
    }
    return calls;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** The prefix of a command that does `what` ("signal=SIGKILL", "error=ENOSPC") at a call. */
export function inject({ name, when }: Pick<Call, "name" | "when">, what: string): string[] {
  return [...strace, "-e", `trace=${name}`, "-o", "/dev/null", "-e", `inject=${name}:${what}:when=${when}`];
}
