// Rows of a table by id, and the backward.
import { type Floats, type Ints, operations, type Weights } from "./cuda.js";

/**
 * `y[i] = table[ids[i]]`.
 * @param ids `[m]`, 0 … vocab − 1
 * @param table `[vocab, d]`, bf16 as Uint16Array
 * @param y `[m, d]`
 */
export function embedding(
  ids: Ints,
  table: Weights,
  y: Floats,
  { m, d, vocab }: { m: number; d: number; vocab: number },
): void {
  operations(ids).embedding(m, d, vocab, ids, table, y);
}

/** `dtable[ids[i]] += dy[i]`, equal ids in the order of their rows. @param dy `[m, d]` @param dtable `[vocab, d]` */
export function embeddingBackward(
  ids: Ints,
  dy: Floats,
  dtable: Floats,
  { m, d, vocab }: { m: number; d: number; vocab: number },
): void {
  operations(ids).embeddingBackward(m, d, vocab, ids, dy, dtable);
}
