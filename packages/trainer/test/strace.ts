// Runs a program under strace: which system calls it makes on files below a folder, and what happens when one of them goes wrong.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const strace = ["strace", "-qq"];
/** Traces and meddles with the threads that come to be, too. */
const follow = "-f";
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

/** A call to interfere with: the `when`-th of its name in its thread (strace counts by thread, in all that it follows). */
export interface Call {
  name: (typeof changing)[number];
  when: number;
  /** In the thread that the process began with. */
  main: boolean;
  line: string;
}

/** The changing calls on files below `dir` that `command` makes, in order. */
export function callsBelow(dir: string, command: readonly string[]): Call[] {
  const folder = mkdtempSync(join(tmpdir(), "qlora-strace-"));
  try {
    const out = join(folder, "trace");
    spawnSync(strace[0]!, [
      ...strace.slice(1),
      follow,
      "-y",
      "-s",
      "0",
      "-e",
      `trace=execve,${changing.join()}`,
      "-o",
      out,
      ...command,
    ]);
    const counts = new Map<string, number>();
    const calls: Call[] = [];
    const [start, ...lines] = readFileSync(out, "utf8").split("\n");
    const first = Number.parseInt(start!, 10);
    for (const line of lines) {
      const [, thread, name] = /^(\d+)\s+(\w+)\(/.exec(line) ?? [];
      if (!name) continue;
      const when = (counts.get(`${thread} ${name}`) ?? 0) + 1;
      counts.set(`${thread} ${name}`, when);
      if (line.includes(dir)) calls.push({ name: name as Call["name"], when, main: Number(thread) === first, line });
    }
    return calls;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/**
 * The prefix of a command that does `what` ("signal=SIGKILL", "error=ENOSPC") at a call. Where that is the main thread's, others
 * are not followed: Node's workers write, too, to wake it, as often as it happens.
 */
export function inject({ name, when, main }: Pick<Call, "name" | "when" | "main">, what: string): string[] {
  return [
    ...strace,
    ...(main ? [] : [follow]),
    "-e",
    `trace=${name}`,
    "-o",
    "/dev/null",
    "-e",
    `inject=${name}:${what}:when=${when}`,
  ];
}
