// What is done when the run ends, also where it is told to end: folders go, and peers that wait in the background.
import { mkdtempSync, rmSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";

const tasks = new Set<() => void>();
let watching = false;

/** Calls `task` when the process exits or is told to; the function that is returned takes that back. */
export function whenLeaving(task: () => void): () => void {
  if (!watching) {
    watching = true;
    process.once("exit", () => {
      for (const task of tasks) task();
    });
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
      process.once(signal, () => process.exit(128 + constants.signals[signal]));
  }
  tasks.add(task);
  return () => void tasks.delete(task);
}

/** A folder for this run's files, removed by `remove`, or with the process. */
export function scratchFolder(parent = tmpdir()): { path: string; remove: () => void } {
  const path = mkdtempSync(join(parent, "qlora-bench-"));
  const forget = whenLeaving(() => rmSync(path, { recursive: true, force: true }));
  return {
    path,
    remove() {
      forget();
      rmSync(path, { recursive: true, force: true });
    },
  };
}
