// Micro-batches in memory: ragged, as this project's kernels take them, and padded, for others.
import { IGNORE } from "./segments.js";

export interface Sequence {
  /** [t] */
  ids: Int32Array;
  /** [t] `labels[i]` is `ids[i]` where learnt, else -100. */
  labels: Int32Array;
}

export interface RaggedBatch {
  /** [m] the sequences' ids one after the other. */
  ids: Int32Array;
  /** [m] as they came: `labels[i]` belongs to the token at i. */
  labels: Int32Array;
  /** [m] what position i predicts: the label of i+1 within its sequence, -100 at each sequence's end. Give this to the loss. */
  targets: Int32Array;
  /** [m] position within the sequence, from 0. */
  positions: Int32Array;
  /** [s+1] where each sequence starts; the last is m. Attention stays within a sequence. */
  cuSeqlens: Int32Array;
  /** Longest sequence. */
  maxLength: number;
  /** Targets that are not -100. */
  targetTokens: number;
}

/** `targets[i] = labels[i + 1]`, -100 at the end: what each position of one sequence predicts. */
export function shiftLabels(labels: Int32Array): Int32Array {
  const targets = new Int32Array(labels.length).fill(IGNORE);
  targets.set(labels.subarray(1));
  return targets;
}

function check(sequences: readonly Sequence[]): void {
  if (sequences.length === 0) throw new RangeError("a batch needs at least one sequence");
  sequences.forEach(({ ids, labels }, i) => {
    if (ids.length !== labels.length || ids.length === 0) {
      throw new RangeError(`sequence ${i} has ${ids.length} ids and ${labels.length} labels`);
    }
  });
}

/** Sequences one after the other, without padding. A sequence's tokens never see another's. */
export function collate(sequences: readonly Sequence[]): RaggedBatch {
  check(sequences);
  const total = sequences.reduce((sum, { ids }) => sum + ids.length, 0);
  const batch: RaggedBatch = {
    ids: new Int32Array(total),
    labels: new Int32Array(total),
    targets: new Int32Array(total),
    positions: new Int32Array(total),
    cuSeqlens: new Int32Array(sequences.length + 1),
    maxLength: 0,
    targetTokens: 0,
  };
  let at = 0;
  sequences.forEach(({ ids, labels }, i) => {
    batch.ids.set(ids, at);
    batch.labels.set(labels, at);
    batch.targets.set(shiftLabels(labels), at);
    for (let t = 0; t < ids.length; t++) batch.positions[at + t] = t;
    at += ids.length;
    batch.cuSeqlens[i + 1] = at;
    batch.maxLength = Math.max(batch.maxLength, ids.length);
  });
  for (const target of batch.targets) if (target !== IGNORE) batch.targetTokens++;
  return batch;
}

export interface PaddedBatch {
  /** Sequences. */
  rows: number;
  /** Tokens in a row. */
  columns: number;
  /** [rows, columns] padded on the right with `padId`. */
  ids: Int32Array;
  /** [rows, columns] not shifted, -100 on padding: what transformers calls labels. */
  labels: Int32Array;
  /** [rows, columns] 1 on tokens, 0 on padding. */
  attentionMask: Uint8Array;
}

/** Sequences as rows padded on the right to the longest (up to a multiple of `multipleOf`). */
export function collatePadded(
  sequences: readonly Sequence[],
  { padId, multipleOf = 1 }: { padId: number; multipleOf?: number },
): PaddedBatch {
  check(sequences);
  if (!Number.isInteger(multipleOf) || multipleOf < 1)
    throw new RangeError(`multipleOf is ${multipleOf}, expected an integer of 1 or more`);
  const rows = sequences.length;
  const columns = Math.ceil(Math.max(...sequences.map((x) => x.ids.length)) / multipleOf) * multipleOf;
  const ids = new Int32Array(rows * columns).fill(padId);
  const labels = new Int32Array(rows * columns).fill(IGNORE);
  const attentionMask = new Uint8Array(rows * columns);
  sequences.forEach((sequence, row) => {
    ids.set(sequence.ids, row * columns);
    labels.set(sequence.labels, row * columns);
    attentionMask.fill(1, row * columns, row * columns + sequence.ids.length);
  });
  return { rows, columns, ids, labels, attentionMask };
}
