// The table for people, and what moved since an earlier run.
import type { Operation, Profile } from "./profile.js";
import type { Result } from "./result.js";

export function number(value: number): string {
  return value >= 1000 ? String(Math.round(value)) : value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

/** "85 % of read (23.1 GB/s)": how near the case is to what limits it. */
export function limit({ ceiling, percentOfCeiling }: Result): string {
  if (!ceiling || percentOfCeiling === null) return "";
  return `${percentOfCeiling.toFixed(0)} % of ${ceiling.name} (${number(ceiling.value)} ${ceiling.unit})`;
}

/** How many times as fast as each peer (of figures that are no speed: the peer's own), or why there is none. */
export function peersText({ peers, unit }: Result): string {
  return peers
    .map(({ name, value, ratio, unavailable }) => {
      if (value === null || ratio === null) return `${name}: ${unavailable}`;
      return unit.endsWith("/s") ? `${ratio.toFixed(2)}× ${name}` : `${name}: ${number(value)} ${unit}`;
    })
    .join("; ");
}

export function row(result: Result): string {
  const { name, shape, value, unit, spread, verdict } = result;
  const shown = verdict ? `${verdict.holds ? "holds" : "FAILS"}: ${verdict.claim}` : limit(result);
  const figure = `${number(value)} ${unit}`.padStart(20);
  const share = shown.padStart(30);
  return `${name.padEnd(24)} ${shape.padEnd(44)} ${figure} ±${(100 * spread).toFixed(0).padStart(2)} %  ${share}  ${peersText(result)}`.trimEnd();
}

/** A profile for people: one line per operation, the dearest first, those below 0.2 % of the run in one. */
export function profileRows(profile: Profile): string[] {
  const { seconds, percentAccounted, unobserved, phases, operations, ceilings } = profile;
  const share = (part: number) => `${((100 * part) / seconds).toFixed(1)} %`.padStart(7);
  const percent = (value: number | null) => (value === null ? "" : `${value.toFixed(0)} %`).padStart(7);
  const shown = operations.filter((operation) => operation.seconds >= 0.002 * seconds);
  const small = operations.filter((operation) => operation.seconds < 0.002 * seconds);
  const sum = (of: readonly Operation[]) => of.reduce((total, operation) => total + operation.seconds, 0);
  const line = (phase: string, name: string, count: number | "", time: number, rest = "") =>
    `  ${phase.padEnd(14)} ${name.padEnd(34)} ${String(count).padStart(5)} ${(1000 * time).toFixed(1).padStart(9)} ${share(time)}${rest}`;
  return [
    `  ${"phase".padEnd(14)} ${"operation".padEnd(34)} ${"calls".padStart(5)} ${"ms".padStart(9)} ${"share".padStart(7)} ${"GFLOP".padStart(8)} ${"of peak".padStart(7)} ${"GB".padStart(7)} ${"of copy".padStart(7)}`,
    ...shown.map(({ phase, name, count, seconds: time, gflop, gigabytes, percentOfPeak, percentOfCopy }) =>
      line(
        phase,
        name,
        count,
        time,
        ` ${(gflop ? gflop.toFixed(2) : "").padStart(8)} ${percent(percentOfPeak)} ${gigabytes.toFixed(3).padStart(7)} ${percent(percentOfCopy)}`,
      ),
    ),
    line(
      "",
      `${small.length} smaller`,
      small.reduce((total, { count }) => total + count, 0),
      sum(small),
    ),
    line("", "JavaScript", "", seconds - sum(operations)),
    `  one run ${(1000 * seconds).toFixed(1)} ms, ${percentAccounted.toFixed(1)} % of it in operations; unobserved ${(1000 * unobserved).toFixed(1)} ms. ${phases.map(({ name, seconds }) => `${name} ${(1000 * seconds).toFixed(1)} ms`).join(", ")}.`,
    `  peak: ${number(ceilings.fma)} GFLOP/s FMA, ${number(ceilings.int8)} GOP/s int8; copy ${number(ceilings.copy)} GB/s (more than 100 %: from the caches)`,
  ];
}

/** One line per case that both runs have; a change within twice the combined spread is called noise. */
export function compare(before: readonly Result[], after: readonly Result[]): string[] {
  const key = ({ name, shape, device, threads }: Result) => [name, shape, device, threads].join("|");
  const old = new Map(before.map((result) => [key(result), result]));
  return after.flatMap((result) => {
    const was = old.get(key(result));
    if (!was) return [`${result.name.padEnd(24)} ${result.shape.padEnd(44)} new`];
    const change = result.value / was.value - 1;
    const noise = 2 * Math.hypot(result.spread, was.spread);
    const verdict = Math.abs(change) <= noise ? "within noise" : change > 0 ? "faster" : "SLOWER";
    const percent = `${change >= 0 ? "+" : ""}${(100 * change).toFixed(1)} %`;
    return [
      `${result.name.padEnd(24)} ${result.shape.padEnd(44)} ${percent.padStart(9)}  (noise ±${(100 * noise).toFixed(0)} %)  ${verdict}`,
    ];
  });
}
