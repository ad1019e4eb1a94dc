// A run that is told to end leaves nothing behind: no folder, no peer that waits.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "tsup";
import { afterAll, beforeAll, expect, test } from "vitest";

const own = mkdtempSync(join(tmpdir(), "leaving-"));
const temporary = join(own, "tmp");
mkdirSync(temporary);

beforeAll(() =>
  build({
    config: false,
    entry: [join(import.meta.dirname, "programs/leaving.ts")],
    outDir: own,
    format: ["esm"],
    outExtension: () => ({ js: ".mjs" }),
    silent: true,
  }),
);
afterAll(() => rmSync(own, { recursive: true }));

/** Waits for the first answer that is not undefined. */
async function until<T>(ask: () => T | undefined): Promise<T> {
  for (const began = Date.now(); Date.now() - began < 20_000; ) {
    const answer = ask();
    if (answer !== undefined) return answer;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error("nothing within 20 s");
}

const childOf = ({ pid }: ChildProcess) => readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();

/** "R" runs, "S" sleeps, "T" is stopped, "Z" has ended; "" is gone. */
function stateOf(pid: string): string {
  try {
    return /^State:\s+(\S)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))![1]!;
  } catch {
    return "";
  }
}

test.skipIf(process.platform !== "linux").each([
  ["SIGINT", 130],
  ["SIGTERM", 143],
  ["SIGHUP", 129],
] as const)("%s ends a run, its folder and its peer", async (signal, code) => {
  const run = spawn(process.execPath, [join(own, "leaving.mjs")], {
    stdio: ["ignore", "ignore", "inherit"],
    env: { ...process.env, TMPDIR: temporary },
  });
  const ended = new Promise<number | null>((resolve) => run.once("exit", resolve));
  const peer = await until(() => childOf(run) || undefined);
  await until(() => (stateOf(peer) === "T" ? true : undefined)); // as peers are in the turns of others
  expect(readdirSync(temporary)).toHaveLength(1);
  run.kill(signal);
  expect(await ended).toBe(code);
  expect(readdirSync(temporary)).toEqual([]);
  await until(() => (["", "Z"].includes(stateOf(peer)) ? true : undefined));
});
