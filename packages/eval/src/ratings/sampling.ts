// How many games per ordering does the printed Elo correspond to? The paper says "10,000 random orderings" and no more.
//
// Elo with K = 32 climbs towards its equilibrium from 1000; after m games a strong system is short of it by an amount that
// shrinks with m. Averaged over orderings, the rating after m random games is a smooth curve, and the printed values are where
// the curve passes at about 500 games. It is an inference from the numbers, not a stated fact.
import type { EloCurve } from "../elo.js";

export interface SamplingStudy {
  /** Largest distance from the printed values over all systems, at each sample size of the curve. */
  worst: number[];
  /** Sample size with the smallest worst distance. */
  best: { sample: number; worst: number };
  /** Sample sizes of the curve at which every system is within `tolerance`; null when there is none. */
  within: { from: number; to: number; tolerance: number } | null;
  /** Worst distance at the end of the curve, when all games are replayed. */
  allGames: number;
}

/** Sample sizes worth looking at for `total` games: coarse, fine about 500, and all. */
export function sampleSizes(total: number): number[] {
  const sizes = [50, 100, 150, 200, 300, 350, 400, 600, 650, 700, 800, 1000, 1250, 1500, 2000, 2500, 3000, 3500, 4000];
  for (let m = 420; m <= 580; m += 10) sizes.push(m);
  return [...sizes.filter((m) => m < total).sort((a, b) => a - b), total];
}

/** Compares an Elo curve with printed values, for the systems that have one. Undefined when fewer than two have. */
export function samplingStudy(
  curve: EloCurve,
  printed: ReadonlyMap<string, number>,
  tolerance = 3,
): SamplingStudy | undefined {
  const known = curve.systems.flatMap((system, s) =>
    printed.has(system) ? [{ s, printed: printed.get(system)! }] : [],
  );
  if (known.length < 2) return undefined;
  const worst = curve.samples.map((_, i) => Math.max(...known.map((k) => Math.abs(curve.elo[k.s]![i]! - k.printed))));
  const best = worst.indexOf(Math.min(...worst));
  const inside = curve.samples.filter((_, i) => worst[i]! <= tolerance);
  return {
    worst,
    best: { sample: curve.samples[best]!, worst: worst[best]! },
    within: inside.length > 0 ? { from: inside[0]!, to: inside.at(-1)!, tolerance } : null,
    allGames: worst.at(-1)!,
  };
}
