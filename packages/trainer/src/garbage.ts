// What loading and resuming leave behind: arrays that V8, which sees only their small handles, would keep until it has other reasons to collect.
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

let collect: (() => void) | undefined;

/**
 * Collects all garbage now: some tens of milliseconds, for what can be hundreds of megabytes. A thread of V8's gives the memory of
 * arrays back after a collection has returned; the second one waits for that, or the run's first arrays come on top.
 */
export function collectGarbage(): void {
  if (!collect) {
    setFlagsFromString("--expose-gc");
    collect = runInNewContext("gc") as () => void;
    setFlagsFromString("--no-expose-gc");
  }
  collect();
  collect();
}
