// Runs requests side by side and keeps the tally: what is done, what failed, what it cost.
import { EvaluationError } from "../errors.js";
import type { Usage } from "./endpoint.js";

/** A request that failed after every retry. It is not in the results file, so the next run tries it again. */
export interface FailedRequest {
  key: string;
  message: string;
}

export interface WorkOptions {
  /** Requests under way at once. */
  concurrency?: number | undefined;
  /** Failed requests after which the run is given up. */
  maxFailures?: number | undefined;
}

/** Tokens and money, over the whole results file. */
export interface Cost extends Usage {
  /** Replies whose server did not report usage; they are not in the sums. */
  withoutUsage: number;
  /** Null when no price was given. */
  total: number | null;
}

/** Sums usage and applies a price per million tokens. */
export function costOf(usages: Iterable<Usage | null>, price?: { input: number; output: number }): Cost {
  const cost = { inputTokens: 0, outputTokens: 0, withoutUsage: 0 };
  for (const usage of usages) {
    if (usage) {
      cost.inputTokens += usage.inputTokens;
      cost.outputTokens += usage.outputTokens;
    } else cost.withoutUsage++;
  }
  const total = price ? (cost.inputTokens * price.input + cost.outputTokens * price.output) / 1e6 : null;
  return { ...cost, total };
}

/**
 * Calls `run` for each item, `concurrency` at a time. Failures are collected; after `maxFailures` of them, or at the first that
 * is no EvaluationError of the endpoint, no new items are started and the error is thrown once the running ones have ended.
 */
export async function runAll<T>(
  items: readonly T[],
  run: (item: T) => Promise<void>,
  { key, concurrency = 4, maxFailures = 10 }: { key: (item: T) => string } & WorkOptions,
): Promise<FailedRequest[]> {
  if (!Number.isInteger(concurrency) || concurrency < 1)
    throw new RangeError(`concurrency must be a positive integer, got ${concurrency}`);
  const failed: FailedRequest[] = [];
  let fatal: unknown;
  let next = 0;
  const worker = async () => {
    while (next < items.length && fatal === undefined) {
      const item = items[next++]!;
      try {
        await run(item);
      } catch (error) {
        const ordinary = error instanceof EvaluationError && error.code === "ENDPOINT";
        if (ordinary) failed.push({ key: key(item), message: error.message });
        if (!ordinary || failed.length >= maxFailures) fatal ??= error;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, items.length) }, worker));
  if (fatal !== undefined) throw fatal;
  return failed;
}

/** Tokens and cost as one line for people. */
export function formatCost(cost: Cost): string {
  const unknown = cost.withoutUsage === 0 ? "" : `, ${cost.withoutUsage} replies without usage not counted`;
  const total = cost.total === null ? "no price given" : `cost ${cost.total.toFixed(4)}`;
  return `${cost.inputTokens} tokens in, ${cost.outputTokens} out${unknown}; ${total}`;
}
