// Setting examples aside for evaluation.
import { permutation, STREAM } from "./random.js";

export interface HeldOutOptions<T> {
  /** Share of the examples, between 0 and 1; at least one is held out and one is left. */
  fraction?: number;
  /** Or how many. */
  count?: number;
  /** Safe integer ≥ 0. Default 0. */
  seed?: number;
  /** Examples with the same key stay on one side (several answers to one prompt, say); `count` may then be exceeded. */
  groupBy?: (example: T) => string;
}

/** Splits examples into training and held-out ones, both in their original order; a function of the seed alone. */
export function splitHeldOut<T>(
  examples: readonly T[],
  { fraction, count, seed = 0, groupBy }: HeldOutOptions<T>,
): { train: T[]; heldOut: T[] } {
  if ((fraction === undefined) === (count === undefined)) throw new TypeError("give either fraction or count");
  if (fraction !== undefined && !(fraction > 0 && fraction < 1))
    throw new RangeError(`fraction is ${fraction}, expected between 0 and 1`);
  const n = examples.length;
  const wanted = count ?? Math.min(n - 1, Math.max(1, Math.round(n * fraction!)));
  if (!Number.isInteger(wanted) || wanted < 0 || wanted >= Math.max(n, 1)) {
    throw new RangeError(`cannot hold out ${wanted} of ${n} examples`);
  }
  const keys = examples.map((example, i) => groupBy?.(example) ?? String(i));
  const groups = [...new Set(keys)];
  const sizes = new Map<string, number>();
  for (const key of keys) sizes.set(key, (sizes.get(key) ?? 0) + 1);
  const chosen = new Set<string>();
  let size = 0;
  for (const g of permutation(groups.length, { seed, stream: STREAM.heldOut })) {
    if (size >= wanted) break;
    chosen.add(groups[g]!);
    size += sizes.get(groups[g]!)!;
  }
  if (size >= n && n > 0) throw new RangeError(`cannot hold out ${wanted} of ${n} examples: groups are too large`);
  return {
    train: examples.filter((_, i) => !chosen.has(keys[i]!)),
    heldOut: examples.filter((_, i) => chosen.has(keys[i]!)),
  };
}
