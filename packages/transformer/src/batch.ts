// Sequences laid end to end: no padding, no position that is computed and thrown away.

/**
 * A ragged batch of `s` sequences with `t` tokens in all. Attention never crosses a sequence's borders.
 * `targets[i]` is the id that position i has to predict (the next token of its sequence), or -100 where nothing is learned.
 */
export interface Batch {
  /** [t] token ids. */
  ids: Int32Array;
  /** [t] targets, or -100. */
  targets: Int32Array;
  /** [t] position of each token within its sequence. */
  positions: Int32Array;
  /** [s + 1] where each sequence begins; the last entry is t. */
  cuSeqlens: Int32Array;
}

/** One sequence in which every next token is a target. */
export function sequenceBatch(ids: ArrayLike<number>): Batch {
  const targets = Int32Array.from(ids).copyWithin(0, 1);
  targets[targets.length - 1] = -100;
  return {
    ids: Int32Array.from(ids),
    targets,
    positions: Int32Array.from(ids, (_, i) => i),
    cuSeqlens: Int32Array.of(0, ids.length),
  };
}

/** Positions that have a target. */
export function countTargets(batch: Batch): number {
  let count = 0;
  for (const target of batch.targets) if (target !== -100) count++;
  return count;
}

/** A part of a batch: whole sequences, the first of them at token `start`. */
export interface BatchPart {
  batch: Batch;
  start: number;
}

/** Cuts a batch between sequences into parts of at most `tokens`; a longer sequence is a part of its own. */
export function* splitBatch(batch: Batch, tokens: number): Generator<BatchPart, void, void> {
  const { cuSeqlens } = batch;
  const sequences = cuSeqlens.length - 1;
  for (let first = 0, end = 0; first < sequences; first = end) {
    const start = cuSeqlens[first]!;
    for (end = first + 1; end < sequences && cuSeqlens[end + 1]! - start <= tokens; ) end++;
    const stop = cuSeqlens[end]!;
    const [ids, targets, positions] = [batch.ids, batch.targets, batch.positions].map((of) => of.subarray(start, stop));
    const borders = cuSeqlens.slice(first, end + 1).map((border) => border - start);
    yield { batch: { ids: ids!, targets: targets!, positions: positions!, cuSeqlens: borders }, start };
  }
}
