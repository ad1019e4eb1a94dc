// What loading and resuming leave behind: arrays that V8, which sees only their small handles, would keep until it has other reasons to collect.
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

let collect: (() => void) | undefined;

/** Collects all garbage now: some ten milliseconds, for what can be hundreds of megabytes. */
export function collectGarbage(): void {
  if (!collect) {
    setFlagsFromString("--expose-gc");
    collect = runInNewContext("gc") as () => void;
    setFlagsFromString("--no-expose-gc");
  }
  collect();
}
