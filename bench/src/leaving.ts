// What is done when the run ends, also where it is told to end: folders go, and peers that wait in the background.
import { mkdtempSync, rmSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";

const tasks = new Set<() => void>();
let watching = false;

/** Does `task` once: when the function that is returned is called, or else when the process exits or is told to. */
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
  return () => {
    if (tasks.delete(task)) task();
  };
}

/** A folder for this run's files, removed by `remove`, or with the process. */
export function scratchFolder(parent = tmpdir()): { path: string; remove: () => void } {
  const path = mkdtempSync(join(parent, "qlora-bench-"));
  return { path, remove: whenLeaving(() => rmSync(path, { recursive: true, force: true })) };
}
