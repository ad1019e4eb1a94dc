// How long to wait before trying a request again.

/**
 * Milliseconds before attempt `attempt` + 1: doubles from `backoffMs` to `maxBackoffMs`, times a random ½ to 1 so that parallel
 * requests do not return together; at least what the server asked for, as far as `maxBackoffMs` allows.
 */
export function backoffMs(
  { backoffMs: first = 1000, maxBackoffMs: longest = 60_000 }: { backoffMs?: number; maxBackoffMs?: number },
  attempt: number,
  askedMs = 0,
  random: () => number = Math.random,
): number {
  const doubled = Math.min(longest, first * 2 ** (attempt - 1));
  return Math.max(doubled * (0.5 + random() / 2), Math.min(askedMs, longest));
}

/** A Retry-After header, seconds or an HTTP date, as milliseconds from `now`; undefined when absent or unreadable. */
export function retryAfterMs(header: string | null, now = Date.now()): number | undefined {
  if (header === null) return undefined;
  if (/^\s*\d+(\.\d+)?\s*$/.test(header)) return Number(header) * 1000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}

/** Waits; rejects with the signal's reason when it aborts. */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = () => {
      clearTimeout(timer);
      reject(signal!.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", abort);
      resolve();
    }, ms);
    signal?.addEventListener("abort", abort, { once: true });
  });
}
