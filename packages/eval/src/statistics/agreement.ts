// Agreement: Kendall's τ-b and Spearman's ρ between two rankings, Fleiss' κ between raters (QLoRA §6.2 uses all three).

/** Kendall's τ-b, corrected for ties (Kendall 1945). NaN when one list is constant. */
export function kendallTau(x: ArrayLike<number>, y: ArrayLike<number>): number {
  checkPair("kendallTau", x, y);
  const n = x.length;
  let difference = 0; // concordant − discordant
  let inX = 0; // pairs not tied in x
  let inY = 0;
  for (let i = 0; i < n; i++) {
    for (let j = i + 1; j < n; j++) {
      const a = Math.sign(x[i]! - x[j]!);
      const b = Math.sign(y[i]! - y[j]!);
      difference += a * b;
      inX += Math.abs(a);
      inY += Math.abs(b);
    }
  }
  return difference / Math.sqrt(inX * inY);
}

/** Spearman's ρ: Pearson correlation of the ranks, ties at their mean rank. NaN when one list is constant. */
export function spearman(x: ArrayLike<number>, y: ArrayLike<number>): number {
  checkPair("spearman", x, y);
  const a = ranks(x);
  const b = ranks(y);
  const middle = (x.length + 1) / 2;
  let ab = 0;
  let aa = 0;
  let bb = 0;
  for (let i = 0; i < a.length; i++) {
    const da = a[i]! - middle;
    const db = b[i]! - middle;
    ab += da * db;
    aa += da * da;
    bb += db * db;
  }
  return ab / Math.sqrt(aa * bb);
}

/** Ranks from 1 (smallest), ties at their mean rank. */
export function ranks(values: ArrayLike<number>): Float64Array {
  const order = Array.from({ length: values.length }, (_, i) => i).sort((i, j) => values[i]! - values[j]!);
  const result = new Float64Array(values.length);
  for (let start = 0; start < order.length; ) {
    let end = start + 1;
    while (end < order.length && values[order[end]!] === values[order[start]!]) end++;
    for (let k = start; k < end; k++) result[order[k]!] = (start + end + 1) / 2;
    start = end;
  }
  return result;
}

/**
 * Fleiss' κ (Fleiss 1971) of `counts[item][category]`, the number of raters who put the item into the category; every item has
 * the same number of raters, at least two. NaN when all ratings are of one category.
 */
export function fleissKappa(counts: readonly (readonly number[])[]): number {
  if (counts.length === 0) throw new RangeError("fleissKappa: no items");
  const sum = (row: readonly number[]) => row.reduce((a, b) => a + b, 0);
  const raters = sum(counts[0]!);
  if (raters < 2) throw new RangeError(`fleissKappa: needs two raters per item, got ${raters}`);
  const categories = counts[0]!.length;
  const totals = new Float64Array(categories);
  let observed = 0;
  counts.forEach((row, i) => {
    if (row.length !== categories || sum(row) !== raters) {
      throw new RangeError(`fleissKappa: item ${i} has ${sum(row)} ratings in ${row.length} categories`);
    }
    row.forEach((count, c) => {
      totals[c]! += count;
      observed += count * (count - 1);
    });
  });
  const items = counts.length;
  observed /= items * raters * (raters - 1);
  let expected = 0;
  for (const total of totals) expected += (total / (items * raters)) ** 2;
  return (observed - expected) / (1 - expected);
}

function checkPair(name: string, x: ArrayLike<number>, y: ArrayLike<number>): void {
  if (x.length !== y.length) throw new RangeError(`${name}: ${x.length} values against ${y.length}`);
  if (x.length < 2) throw new RangeError(`${name}: needs two values, got ${x.length}`);
}
