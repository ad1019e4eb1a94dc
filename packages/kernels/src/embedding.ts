// Rows of a table by id, and the backward.
import { native, type Weights } from "./native.js";

/**
 * `y[i] = table[ids[i]]`.
 * @param ids `[m]`, 0 … vocab − 1
 * @param table `[vocab, d]`, bf16 as Uint16Array
 * @param y `[m, d]`
 */
export function embedding(
  ids: Int32Array,
  table: Weights,
  y: Float32Array,
  { m, d, vocab }: { m: number; d: number; vocab: number },
): void {
  native.embedding(m, d, vocab, ids, table, y);
}

/** `dtable[ids[i]] += dy[i]`, equal ids in the order of their rows. @param dy `[m, d]` @param dtable `[vocab, d]` */
export function embeddingBackward(
  ids: Int32Array,
  dy: Float32Array,
  dtable: Float32Array,
  { m, d, vocab }: { m: number; d: number; vocab: number },
): void {
  native.embeddingBackward(m, d, vocab, ids, dy, dtable);
}
