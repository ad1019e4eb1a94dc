// The order of training: which examples make up which micro-batch and step, a function of (seed, epoch) alone.
import { firstFit } from "./packing.js";
import { permutation, STREAM } from "./random.js";

export interface BatchOptions {
  /** Tokens in each example. */
  lengths: ArrayLike<number>;
  /** Examples in a micro-batch. With `tokenBudget`: the most of them, default no limit. */
  batchSize?: number;
  /** Micro-batches in a step. Default 1. */
  accumulation?: number;
  /** Put examples of similar length together (see `batches`). Default false. */
  groupByLength?: boolean;
  /** Fill each micro-batch up to this many tokens instead of a number of examples (first fit in shuffled order). */
  tokenBudget?: number;
  /** Shuffle. Default true; false keeps the order of the data. */
  shuffle?: boolean;
  /** Leave out a last step with fewer than `accumulation` micro-batches or a micro-batch with fewer examples. Default false. */
  dropLast?: boolean;
  /** Safe integer ≥ 0. Default 0. */
  seed?: number;
}

/** Where training stands: the step to take next. */
export interface Cursor {
  epoch: number;
  /** Steps of this epoch already taken. */
  step: number;
}

/** The micro-batches of one step: for each, the indices of its examples. */
export type Step = number[][];

/**
 * The steps of an epoch, each with its micro-batches of example indices. Every example occurs exactly once (unless
 * `dropLast`); the last step may be smaller.
 *
 * `groupByLength` follows transformers' LengthGroupedSampler: the shuffled examples are taken 50 micro-batches at a time
 * (fewer for small data: at least 4 such groups), sorted by length within each, and cut into micro-batches; these are
 * then shuffled, so that a step mixes lengths. The one with the longest example comes first: if memory does not suffice,
 * it shows at once.
 */
export function batches({ epoch = 0, ...options }: BatchOptions & { epoch?: number }): Step[] {
  const {
    lengths,
    accumulation = 1,
    groupByLength = false,
    tokenBudget,
    shuffle = true,
    dropLast = false,
    seed = 0,
  } = options;
  const batchSize = options.batchSize ?? (tokenBudget === undefined ? 1 : Number.POSITIVE_INFINITY);
  if (!(batchSize >= 1) || (Number.isFinite(batchSize) && !Number.isInteger(batchSize)))
    throw new RangeError(`batchSize is ${batchSize}, expected an integer of 1 or more`);
  if (!Number.isInteger(accumulation) || accumulation < 1)
    throw new RangeError(`accumulation is ${accumulation}, expected an integer of 1 or more`);
  if (!Number.isInteger(epoch) || epoch < 0)
    throw new RangeError(`epoch is ${epoch}, expected an integer of 0 or more`);
  const n = lengths.length;
  const order = shuffle
    ? permutation(n, { seed, stream: STREAM.shuffle, epoch })
    : Int32Array.from({ length: n }, (_, i) => i);
  let micro: number[][];
  if (tokenBudget !== undefined) {
    micro = firstFit(Array.from(order), lengths, { budget: tokenBudget, maxItems: batchSize });
  } else {
    const sorted = groupByLength ? grouped(order, lengths, batchSize) : order;
    micro = chunks(sorted, batchSize);
  }
  if (groupByLength && shuffle) micro = longestFirst(shuffled(micro, seed, epoch), lengths);
  if (dropLast && tokenBudget === undefined) micro = micro.filter((x) => x.length === batchSize);
  const steps: Step[] = [];
  for (let i = 0; i < micro.length; i += accumulation) steps.push(micro.slice(i, i + accumulation));
  if (dropLast && steps.length > 0 && steps.at(-1)!.length < accumulation) steps.pop();
  return steps;
}

/**
 * Steps from a cursor on, epoch after epoch, without end (stop taking when enough). `next` is the cursor to save after
 * the step: resuming from it yields what an uninterrupted run would have.
 */
export function* trainingSteps(
  options: BatchOptions,
  from: Cursor = { epoch: 0, step: 0 },
): Generator<{
  epoch: number;
  step: number;
  stepsInEpoch: number;
  batches: Step;
  next: Cursor;
}> {
  let { epoch, step } = from;
  for (; ; epoch++, step = 0) {
    const steps = batches({ ...options, epoch });
    if (steps.length === 0) throw new RangeError("there are no examples to make a step of");
    if (step > steps.length) throw new RangeError(`the cursor is at step ${step} of an epoch of ${steps.length}`);
    for (; step < steps.length; step++) {
      const next = step + 1 === steps.length ? { epoch: epoch + 1, step: 0 } : { epoch, step: step + 1 };
      yield { epoch, step, stepsInEpoch: steps.length, batches: steps[step]!, next };
    }
  }
}

function chunks(order: Int32Array, size: number): number[][] {
  const out: number[][] = [];
  for (let i = 0; i < order.length; i += size) out.push(Array.from(order.subarray(i, i + size)));
  return out;
}

// transformers/trainer_pt_utils.py, get_length_grouped_indices: mega-batches of min(n / (4·batch), 50) micro-batches.
function grouped(order: Int32Array, lengths: ArrayLike<number>, batchSize: number): Int32Array {
  const multiple = Math.max(1, Math.min(Math.floor(order.length / (batchSize * 4)), 50));
  const mega = multiple * batchSize;
  const out = new Int32Array(order.length);
  for (let from = 0; from < order.length; from += mega) {
    const part = Array.from(order.subarray(from, from + mega));
    part.sort((a, b) => lengths[b]! - lengths[a]!);
    out.set(part, from);
  }
  return out;
}

function shuffled(micro: number[][], seed: number, epoch: number): number[][] {
  const order = permutation(micro.length, { seed, stream: STREAM.order, epoch });
  return Array.from(order, (i) => micro[i]!);
}

function longestFirst(micro: number[][], lengths: ArrayLike<number>): number[][] {
  let at = 0;
  let longest = -1;
  micro.forEach((batch, i) => {
    for (const j of batch) {
      if (lengths[j]! > longest) {
        longest = lengths[j]!;
        at = i;
      }
    }
  });
  return at === 0 ? micro : [micro[at]!, ...micro.slice(0, at), ...micro.slice(at + 1)];
}
