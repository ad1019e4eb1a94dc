// Where the time of one run goes: by phase and operation, with bytes, floating-point operations and shares of the ceilings.
import type { Case, Profiled } from "./case.js";
import { ceiling } from "./ceilings.js";
import { now } from "./clock.js";
import { median } from "./measure.js";
import { type Call, observe } from "./observe.js";

export interface Operation {
  phase: string;
  /** What it is for, "adapter A · matmul" say, and the function. */
  name: string;
  count: number;
  seconds: number;
  gflop: number;
  gigabytes: number;
  /** Of the FMA peak, or the int8 peak where bytes are multiplied; null for what multiplies nothing. */
  percentOfPeak: number | null;
  /** Of the bandwidth of a copy; operations whose arrays stay in the caches exceed 100. */
  percentOfCopy: number;
}

export interface Profile {
  /** Of the run shown: the median one. */
  seconds: number;
  /** Of runs that nobody watched, taking turns with the watched ones: the median. */
  unobserved: number;
  /** Share of `seconds` within operations; the rest is JavaScript. */
  percentAccounted: number;
  /** As measured just before the run: GFLOP/s, GOP/s, GB/s. */
  ceilings: { fma: number; int8: number; copy: number };
  phases: { name: string; seconds: number }[];
  operations: Operation[];
}

/** Runs the case `rounds` times watched and as often unwatched, in turns. */
export function profileCase(item: Case, profiled: Profiled, rounds: number): Profile {
  item.check();
  item.run();
  const plain: number[] = [];
  const runs: Omit<Profile, "unobserved">[] = [];
  for (let round = 0; round < rounds; round++) {
    plain.push(seconds(item.run));
    runs.push(once(profiled));
  }
  runs.sort((a, b) => a.seconds - b.seconds);
  return { ...runs[Math.floor((rounds - 1) / 2)]!, unobserved: median(plain) };
}

function once({ phases, roles }: Profiled): Omit<Profile, "unobserved"> {
  const ceilings = { fma: rate("fma"), int8: rate("int8"), copy: rate("copy") };
  const sums = new Map<string, Call & { phase: string; count: number }>();
  let phase = "";
  const stop = observe(roles, (call) => {
    const name = [phase, call.role, call.operation, call.int8].join("|");
    const sum = sums.get(name);
    if (!sum) sums.set(name, { ...call, phase, count: 1 });
    else for (const key of ["seconds", "flops", "bytes"] as const) sum[key] += call[key];
    if (sum) sum.count++;
  });
  const durations = new Map<string, number>();
  const began = now();
  try {
    let since = began;
    for (const next of phases()) {
      const here = now();
      if (phase) durations.set(phase, (durations.get(phase) ?? 0) + here - since);
      [phase, since] = [next, here];
    }
    durations.set(phase, (durations.get(phase) ?? 0) + now() - since);
  } finally {
    stop();
  }
  const total = now() - began;
  const operations = [...sums.values()].map(({ phase, role, operation, count, seconds, flops, bytes, int8 }) => ({
    phase,
    name: [role, operation, ...(int8 ? ["int8"] : [])].filter(Boolean).join(" · "),
    count,
    seconds,
    gflop: flops / 1e9,
    gigabytes: bytes / 1e9,
    percentOfPeak: flops ? (100 * flops) / 1e9 / seconds / ceilings[int8 ? "int8" : "fma"] : null,
    percentOfCopy: (100 * bytes) / 1e9 / seconds / ceilings.copy,
  }));
  return {
    seconds: total,
    percentAccounted: (100 * operations.reduce((sum, { seconds }) => sum + seconds, 0)) / total,
    ceilings,
    phases: [...durations].map(([name, seconds]) => ({ name, seconds })),
    operations: operations.sort((a, b) => b.seconds - a.seconds),
  };
}

function rate(name: "fma" | "int8" | "copy"): number {
  const { work, run } = ceiling(name);
  return work / seconds(run);
}

function seconds(run: () => void): number {
  const began = now();
  run();
  return now() - began;
}
