// The whole decoder on a ragged batch: forward to the loss, backward to every gradient, activations checkpointed per block.
import * as kernels from "@qlora/kernels";
import type { Batch } from "./batch.js";
import { blockBackward, blockForward, type Layout, normBackward, normForward } from "./block.js";
import { type Dropout, dropoutAtLayer } from "./linear.js";
import type { Model } from "./model.js";
import { accumulateGradient, matmul, matmulTransposed } from "./weight.js";
import { Workspace } from "./workspace.js";

/** Most elements of logits that exist at once: the loss is computed over chunks of rows. */
const LOGITS_CHUNK = 4 * 2 ** 20;

export interface PassOptions {
  /** The gradient is that of `gradientScale`·Σ nll; 1/(targets of the effective batch) makes it the mean's. */
  gradientScale: number;
  /** Keep only each block's input and recompute the rest in the backward pass. Default true. */
  checkpointing?: boolean;
  dropout?: Dropout;
  /** Called before each block, forward and backward; throw to abandon the pass. */
  onBlock?: () => void;
}

export interface PassResult {
  /** Σ nll over the targets, in nats. */
  nll: number;
  targets: number;
}

/** Runs passes of one model; owns the activations, which are reused from call to call. */
export class Runner {
  private readonly scratch = new Workspace();
  private readonly keeps: Workspace[] = [];
  private readonly largest: { tokens: number; targets: number };

  /** `largest`: tokens and targets of the largest pass to come, where known; buffers are then made for it at once. */
  constructor(
    readonly model: Model,
    largest: { tokens?: number; targets?: number } = {},
  ) {
    this.largest = { tokens: largest.tokens ?? 0, targets: largest.targets ?? 0 };
  }

  /** Bytes of activations and scratch held. */
  get bytes(): number {
    return this.keeps.reduce((sum, keep) => sum + keep.bytes, this.scratch.bytes);
  }

  /** Σ nll of a batch; nothing is kept, no gradient. */
  loss(batch: Batch): PassResult {
    return finish(this.lossSteps(batch));
  }

  /** `loss` a block at a time, for callers with other things to do in between; only one pass of a runner may be under way. */
  *lossSteps(batch: Batch): Generator<void, PassResult, void> {
    return this.head(batch, yield* this.hiddenSteps(batch), null, 0);
  }

  /** nll of every target of a batch, in order of position; positions without one hold NaN. */
  tokenLosses(batch: Batch): Float32Array {
    const losses = new Float32Array(batch.ids.length).fill(Number.NaN);
    this.head(batch, this.hidden(batch), null, 0, losses);
    return losses;
  }

  /** Logits [t, vocab] of every position. */
  logits(batch: Batch): Float32Array {
    const { model } = this;
    const t = batch.ids.length;
    const hidden = this.hidden(batch);
    const normed = normForward(model.norm, hidden, "final", t, model.config.normEps, this.scratch);
    const logits = new Float32Array(t * model.config.vocabSize);
    matmul(normed, model.head.weight, logits, t);
    return logits;
  }

  /** Logits [vocab] after the last token. */
  lastLogits(batch: Batch): Float32Array {
    const { model, scratch } = this;
    const { hiddenSize: d, vocabSize, normEps } = model.config;
    const hidden = this.hidden(batch);
    const last = normForward(model.norm, hidden.subarray(hidden.length - d), "final", 1, normEps, scratch);
    const logits = new Float32Array(vocabSize);
    matmul(last, model.head.weight, logits, 1);
    return logits;
  }

  /** Forward and backward: accumulates into the gradient of everything that trains. */
  forwardBackward(batch: Batch, options: PassOptions): PassResult {
    return finish(this.forwardBackwardSteps(batch, options));
  }

  /** `forwardBackward` a block at a time, as `lossSteps`; the gradients are complete when it returns. */
  *forwardBackwardSteps(batch: Batch, options: PassOptions): Generator<void, PassResult, void> {
    const { model, scratch } = this;
    const { gradientScale, checkpointing = true, dropout, onBlock } = options;
    const d = model.config.hiddenSize;
    const { hidden, layout } = this.embed(batch);
    const t = layout.tokens;
    const at = (layer: number) => ({
      keep: this.keep(checkpointing ? 0 : layer),
      scratch,
      ...(dropout ? { dropout: dropoutAtLayer(dropout, layer) } : {}),
    });
    const inputs: Float32Array[] = [];
    for (const [i, layer] of model.layers.entries()) {
      onBlock?.();
      yield;
      const input = scratch.f32(`input ${i}`, t * d);
      input.set(hidden);
      blockForward(model, layer, input, hidden, layout, at(i));
      inputs.push(input);
    }
    yield;
    const gradient = scratch.f32("gradient", t * d);
    const result = this.head(batch, hidden, gradient, gradientScale);
    for (let i = model.layers.length - 1; i >= 0; i--) {
      onBlock?.();
      yield;
      const [layer, input] = [model.layers[i]!, inputs[i]!];
      const options = at(i);
      const intact = !checkpointing || i === model.layers.length - 1; // the last block's activations are still there
      if (!intact) blockForward(model, layer, input, null, layout, options);
      blockBackward(model, layer, input, gradient, layout, options);
    }
    const { embedding } = model;
    if (embedding.weight.kind === "dense" && embedding.weight.grad)
      kernels.embeddingBackward(batch.ids, gradient, embedding.weight.grad, { m: t, d, vocab: embedding.weight.n });
    return result;
  }

  private keep(index: number): Workspace {
    this.keeps[index] ??= new Workspace();
    this.keeps[index].room = this.scratch.room;
    return this.keeps[index];
  }

  /** What the last block puts out, [t, hidden]; nothing is kept. */
  private hidden(batch: Batch): Float32Array {
    return finish(this.hiddenSteps(batch));
  }

  private *hiddenSteps(batch: Batch): Generator<void, Float32Array, void> {
    const { hidden, layout } = this.embed(batch);
    for (const layer of this.model.layers) {
      yield;
      blockForward(this.model, layer, hidden, hidden, layout, { keep: this.keep(0), scratch: this.scratch });
    }
    yield;
    return hidden;
  }

  private embed(batch: Batch): { hidden: Float32Array; layout: Layout } {
    const { model } = this;
    const t = batch.ids.length;
    this.scratch.room = Math.max(1, this.largest.tokens / t);
    const { n, k, ...weight } = model.embedding.weight;
    if (weight.kind !== "dense") throw new TypeError(`${model.embedding.name}: an embedding is kept in 16 or 32 bits`);
    const hidden = this.scratch.f32("hidden", t * k);
    kernels.embedding(batch.ids, weight.data, hidden, { m: t, d: k, vocab: n });
    return { hidden, layout: { tokens: t, positions: batch.positions, cuQ: batch.cuSeqlens, cuK: batch.cuSeqlens } };
  }

  /**
   * Final norm, head and loss over the positions that have a target, in chunks of rows. With `gradient` [t, hidden] it is
   * set to dL/dhidden. With `losses` [t] each target's nll is written there.
   */
  private head(
    batch: Batch,
    hidden: Float32Array,
    gradient: Float32Array | null,
    gradientScale: number,
    losses?: Float32Array,
  ): PassResult {
    const { model, scratch } = this;
    const { hiddenSize: d, vocabSize, normEps } = model.config;
    const rows: number[] = [];
    for (let i = 0; i < batch.targets.length; i++) if (batch.targets[i] !== -100) rows.push(i);
    gradient?.fill(0);
    const chunk = Math.max(16, Math.floor(LOGITS_CHUNK / vocabSize));
    const { room } = scratch;
    let nll = 0;
    for (let start = 0; start < rows.length; start += chunk) {
      const part = rows.slice(start, start + chunk);
      const m = part.length;
      scratch.room = Math.max(1, Math.min(chunk, this.largest.targets) / m);
      const x = scratch.f32("head x", m * d);
      const labels = new Int32Array(m);
      part.forEach((row, i) => {
        x.set(hidden.subarray(row * d, (row + 1) * d), i * d);
        labels[i] = batch.targets[row]!;
      });
      const normed = normForward(model.norm, x, "final", m, normEps, scratch);
      const logits = scratch.f32("logits", m * vocabSize);
      matmul(normed, model.head.weight, logits, m);
      const nlls = scratch.f32("nll", m);
      kernels.crossEntropy(logits, labels, nlls, {
        m,
        v: vocabSize,
        scale: gradientScale,
        gradient: gradient !== null,
      });
      for (let i = 0; i < m; i++) nll += nlls[i]!;
      if (losses)
        part.forEach((row, i) => {
          losses[row] = nlls[i]!;
        });
      if (!gradient) continue;
      const dNormed = scratch.f32("head dn", m * d);
      matmulTransposed(logits, model.head.weight, dNormed, m);
      accumulateGradient(logits, normed, model.head.weight, m);
      const dx = scratch.f32("head dx", m * d).fill(0);
      normBackward(model.norm, dNormed, x, "final", dx, m, scratch);
      part.forEach((row, i) => {
        gradient.set(dx.subarray(i * d, (i + 1) * d), row * d);
      });
    }
    scratch.room = room;
    return { nll, targets: rows.length };
  }
}

/** Runs a generator to its end. */
function finish<T>(steps: Generator<void, T, void>): T {
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
  }
}
