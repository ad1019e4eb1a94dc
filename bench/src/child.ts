// A peer in a process of its own, told when to do its unit of work, so that it runs in our rounds and not beside them.
//
// The protocol, in lines: one JSON object in (the job), one JSON object out (ready: what it is); then "run" in, seconds out, again and again.
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { whenLeaving } from "./leaving.js";
import type { Contender } from "./measure.js";

export interface Peer extends Contender {
  /** Why it cannot be measured here. */
  unavailable?: string;
}

export const unavailable = (name: string, reason: string): Peer => ({ name, unavailable: reason, run: () => {} });

/** A signal that Windows does not know is none there. */
const signal = (child: ChildProcess, name: "SIGSTOP" | "SIGCONT") => process.platform === "win32" || child.kill(name);

/** A process that has been told its job, and the next line that it says. */
function start(command: readonly string[], job: object) {
  const child = spawn(command[0]!, command.slice(1), { stdio: ["pipe", "pipe", "ignore"] });
  let refused: Error | undefined;
  child.on("error", (error) => {
    refused = error;
  });
  child.stdin.on("error", () => {}); // it ended: said where its answer is awaited
  child.stdin.write(`${JSON.stringify(job)}\n`);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const answer = async (): Promise<string> => {
    const { value, done } = await lines.next();
    if (!done) return value;
    throw new Error(
      refused ? `could not be started: ${refused.message}` : `ended early; run \`${command.join(" ")}\` to see why`,
    );
  };
  return { child, answer, end: whenLeaving(() => child.kill("SIGKILL")) };
}

/** What a peer reads: written before it starts, removed when it has ended. */
export interface Files {
  write(): void;
  remove(): void;
}

/**
 * `command` is started with the first measurement, after its files are written, and ended by `stop`. Between its answer and the next
 * "run" it is stopped: it would go on by itself, or its threads would look for work in the turns of others.
 */
export function childPeer(name: string, command: readonly string[], job: object, files?: Files): Peer {
  let started: ReturnType<typeof start> | undefined;
  return {
    name,
    run: () => {},
    async seconds() {
      if (!started) {
        files?.write();
        started = start(command, job);
        await started.answer();
      }
      const { child, answer } = started;
      signal(child, "SIGCONT");
      child.stdin.write("run\n");
      const seconds = Number(await answer());
      signal(child, "SIGSTOP");
      return seconds;
    },
    stop() {
      started?.end();
      files?.remove();
    },
  };
}

/** Starts the command with the job, lets it do `runs` units, and ends it; what it said when ready, and the most memory it ever held. */
export async function peakMemory(
  command: readonly string[],
  job: object,
  runs: number,
): Promise<{ ready: Record<string, unknown>; bytes: number }> {
  const { child, answer, end } = start(command, job);
  try {
    const ready = JSON.parse(await answer());
    for (let i = 0; i < runs; i++) {
      child.stdin.write("run\n");
      await answer();
    }
    const status = readFileSync(`/proc/${child.pid}/status`, "utf8");
    return { ready, bytes: Number(/VmHWM:\s+(\d+) kB/.exec(status)![1]) * 1024 };
  } finally {
    end();
  }
}
