// First fit: each item goes into the first bin that has room for it. Within 1.7 times the fewest bins possible
// (Dósa & Sgall, STACS 2013), and usually within a few percent.

/**
 * Packs items, in the given order, into bins of at most `budget` tokens and `maxItems` items. Returns the bins, each with
 * its items in the order they came. Throws RangeError naming an item longer than the budget. O(n log n).
 */
export function firstFit(
  order: readonly number[],
  lengths: ArrayLike<number>,
  { budget, maxItems = Number.POSITIVE_INFINITY }: { budget: number; maxItems?: number },
): number[][] {
  if (!Number.isInteger(budget) || budget < 1)
    throw new RangeError(`the token budget is ${budget}, expected an integer of 1 or more`);
  const bins: number[][] = [];
  // A complete binary tree over the bins (those not yet opened included); each node holds the largest room below it.
  let leaves = 1;
  while (leaves < order.length) leaves *= 2;
  const room = new Float64Array(2 * leaves).fill(budget);
  for (const item of order) {
    const length = lengths[item]!;
    if (!(length <= budget))
      throw new RangeError(`example ${item} has ${length} tokens, more than the budget of ${budget}`);
    let node = 1;
    while (node < leaves) node = room[2 * node]! >= length ? 2 * node : 2 * node + 1;
    const bin = node - leaves;
    bins[bin] ??= [];
    bins[bin].push(item);
    room[node] = bins[bin].length >= maxItems ? -1 : room[node]! - length;
    for (node >>= 1; node >= 1; node >>= 1) room[node] = Math.max(room[2 * node]!, room[2 * node + 1]!);
  }
  return bins;
}
