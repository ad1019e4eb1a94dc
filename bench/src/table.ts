// The table for people, and what moved since an earlier run.
import type { Result } from "./result.js";

export function number(value: number): string {
  return value >= 1000 ? String(Math.round(value)) : value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

export function row(result: Result): string {
  const { name, shape, value, unit, spread, ceiling, percentOfCeiling, peers } = result;
  const limit =
    ceiling && percentOfCeiling !== null
      ? `${percentOfCeiling.toFixed(0).padStart(4)} % of ${ceiling.name} (${number(ceiling.value)} ${ceiling.unit})`
      : "";
  const others = peers
    .map((peer) =>
      peer.ratio === null ? `${peer.name}: ${peer.unavailable}` : `${peer.ratio.toFixed(2)}× ${peer.name}`,
    )
    .join("; ");
  const figure = `${number(value)} ${unit}`.padStart(20);
  return `${name.padEnd(24)} ${shape.padEnd(44)} ${figure} ±${(100 * spread).toFixed(0).padStart(2)} %  ${limit.padEnd(34)} ${others}`.trimEnd();
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
