// Requests that failed after every retry: said in one line, and an exit code that scripts notice.
import type { FailedRequest } from "@qlora/eval";
import { say } from "./terminal.js";

/** 1 where requests failed, after saying so; else 0. */
export function failures(failed: readonly FailedRequest[]): number {
  const [first] = failed;
  if (!first) return 0;
  say(
    `${failed.length} requests failed, the first (${first.key}) because ${first.message}; the same command tries them again`,
  );
  return 1;
}
