// Round-robin measurement: in every round each contender runs for a while, so that all of them see the same minute of a shared
// machine. What is reported are medians of times and medians of per-round ratios; rounds in which this process had to wait for a
// processor, or others took much of it, are dropped (the least disturbed are kept where none is clean).
import { readdirSync, readFileSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { comparable, now } from "./clock.js";

/** Something that is timed. `run` does one unit of work, synchronously. */
export interface Contender {
  name: string;
  run(): void;
  /** Called before each batch; not timed. */
  before?(): void;
  /** Seconds of one unit measured elsewhere, in place of timing `run` (a peer in another process). */
  seconds?(): Promise<number>;
  /** Frees what `seconds` started. */
  stop?(): void;
}

export interface Timing {
  /** Median seconds of one unit. */
  seconds: number;
  /** Half the distance of the quartiles, relative to the median. */
  spread: number;
  /** Seconds by round, disturbed rounds left out; index-aligned among the contenders of one measurement. */
  rounds: number[];
}

export interface MeasureOptions {
  /** Rounds to keep at least. */
  rounds: number;
  /** Milliseconds that each contender runs in a round; at least one unit. */
  batchMs: number;
}

const WAITING = 0.04; // share of the round that our threads stood in line

/** Times the contenders side by side. */
export async function measure(
  contenders: readonly Contender[],
  { rounds, batchMs }: MeasureOptions,
): Promise<Timing[]> {
  for (const contender of contenders) if (!contender.seconds) contender.run(); // warm caches, page in outputs
  const all: { seconds: number[]; waited: number }[] = [];
  let clean = 0;
  for (let round = 0; clean < rounds && round < 3 * rounds; round++) {
    await setImmediate(); // signals are heard
    const before = waitedSeconds();
    const began = performance.now();
    const seconds: number[] = [];
    for (const contender of contenders)
      seconds.push(contender.seconds ? await contender.seconds() : batch(contender, batchMs));
    const waited = comparable() ? (waitedSeconds() - before) / ((performance.now() - began) / 1000) : 0;
    all.push({ seconds, waited });
    if (waited <= WAITING) clean++;
  }
  for (const contender of contenders) contender.stop?.();
  const kept =
    clean >= rounds
      ? all.filter(({ waited }) => waited <= WAITING)
      : [...all].sort((a, b) => a.waited - b.waited).slice(0, rounds);
  return contenders.map((_, i) => {
    const values = kept.map(({ seconds }) => seconds[i]!);
    const middle = median(values);
    return { seconds: middle, spread: (quantile(values, 0.75) - quantile(values, 0.25)) / 2 / middle, rounds: values };
  });
}

function batch({ run, before }: Contender, batchMs: number): number {
  before?.();
  const began = now();
  let units = 0;
  do {
    run();
    units++;
  } while (now() - began < batchMs / 1000);
  return (now() - began) / units;
}

/** Median over rounds of a/b. */
export function ratio(a: Timing, b: Timing): number {
  return median(a.rounds.map((value, i) => value / b.rounds[i]!));
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const at = share * (sorted.length - 1);
  const low = Math.floor(at);
  return sorted[low]! + (at - low) * (sorted[Math.min(low + 1, sorted.length - 1)]! - sorted[low]!);
}

/** Seconds that runnable threads of this process have waited for a processor so far (Linux; 0 elsewhere). */
function waitedSeconds(): number {
  try {
    let nanoseconds = 0;
    for (const task of readdirSync("/proc/self/task"))
      nanoseconds += Number(readFileSync(`/proc/self/task/${task}/schedstat`, "utf8").split(" ")[1]);
    return nanoseconds / 1e9;
  } catch {
    return 0;
  }
}
