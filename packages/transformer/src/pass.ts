// The whole decoder on a ragged batch: forward to the loss, backward to every gradient, activations checkpointed per block.
import * as kernels from "@qlora/kernels";
import { type Batch, type BatchPart, splitBatch } from "./batch.js";
import { blockBackward, blockForward, type Layout, normBackward, normForward } from "./block.js";
import { defaultActivationMemory, keptBlocks } from "./checkpointing.js";
import { DecodedLayers } from "./decoded.js";
import { type Device, type Floats, type Ints, toHost, zero } from "./device.js";
import type { Dropout } from "./linear.js";
import { type Layer, linearKeys, type Model } from "./model.js";
import { accumulateGradient, arithmetic, matmul, matmulTransposed } from "./weight.js";
import { Workspace } from "./workspace.js";

/** Rows of logits that exist at once of so many targets: the loss is computed over chunks of rows, of at most 16 Mi elements where rows are short enough. */
export function logitsRows(targets: number, vocabSize: number): number {
  return Math.min(targets, Math.max(16, Math.floor((16 * 2 ** 20) / vocabSize)));
}

/**
 * Most tokens that go through the model together, of a pass of `tokens` whose longest sequence has `longest`. On the CPU these
 * are sequences of up to 1024 tokens in all, or one longer one: more gain nothing, leave the caches and need more memory.
 */
export function tokensTogether(device: Device, tokens: number, longest: number): number {
  return device === "cpu" ? Math.min(tokens, Math.max(1024, longest)) : tokens;
}

export interface PassOptions {
  /** The gradient is that of `gradientScale`·Σ nll; 1/(targets of the effective batch) makes it the mean's. */
  gradientScale: number;
  /** Keep each block's input, and the rest only as far as `activationMemory` goes; recompute it elsewhere. False keeps all. Default true. */
  checkpointing?: boolean;
  dropout?: Dropout;
}

export interface PassResult {
  /** Σ nll over the targets, in nats. */
  nll: number;
  targets: number;
}

export interface RunnerOptions {
  /** Tokens, targets and longest sequence of the largest pass to come, where known: buffers are then made for it at once. */
  tokens?: number;
  targets?: number;
  longest?: number;
  /**
   * Bytes of activations that are kept beside those of one block, in place of being recomputed. Default 256 MiB on the CPU, none on a
   * device.
   */
  activationMemory?: number;
  /**
   * On a device, keep the 4-bit weights of one block decoded from its recomputation to its backward: two decodings a step in
   * place of three, the same bits, 2 bytes a weight of a block more memory. Default false.
   */
  decodeBlocks?: boolean;
}

/** Runs passes of one model; owns the activations, which are reused from call to call. */
export class Runner implements Disposable {
  private readonly scratch: Workspace;
  private readonly keeps: Workspace[] = [];
  private readonly largest: { tokens: number; targets: number };
  private readonly activationMemory: number;
  private readonly decoded: DecodedLayers | undefined;

  constructor(
    readonly model: Model,
    { tokens = 0, targets = 0, longest = 0, activationMemory, decodeBlocks = false }: RunnerOptions = {},
  ) {
    const together = tokensTogether(model.device, tokens, longest);
    this.largest = { tokens: together, targets: Math.min(targets, together) };
    this.activationMemory = activationMemory ?? (model.device === "cpu" ? defaultActivationMemory : 0);
    this.scratch = new Workspace(model.device);
    if (decodeBlocks) this.decoded = new DecodedLayers(this.scratch);
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
  *lossSteps(whole: Batch): Generator<void, PassResult, void> {
    const total = { nll: 0, targets: 0 };
    for (const { batch } of this.parts(whole))
      addLosses(total, this.head(batch, yield* this.hiddenSteps(batch), null, 0));
    return total;
  }

  /** nll of every target of a batch, in order of position; positions without one hold NaN. */
  tokenLosses(whole: Batch): Float32Array {
    const losses = new Float32Array(whole.ids.length).fill(Number.NaN);
    for (const { batch, start } of this.parts(whole)) {
      const { rows, nlls } = this.head(batch, this.hidden(batch), null, 0);
      const values = toHost(nlls);
      rows.forEach((row, i) => {
        losses[start + row] = values[i]!;
      });
    }
    return losses;
  }

  /** Logits [t, vocab] of every position. */
  logits(batch: Batch): Float32Array {
    const { model, scratch } = this;
    const t = batch.ids.length;
    const hidden = this.hidden(batch);
    const normed = normForward(model.norm, hidden, "final", t, model.config.normEps, scratch);
    const logits = scratch.f32("logits", t * model.config.vocabSize);
    matmul(normed, model.head.weight, logits, t, { compute: arithmetic(model.compute, "forward") });
    return toHost(logits).slice();
  }

  /** Logits [vocab] after the last token. */
  lastLogits(batch: Batch): Float32Array {
    const { model, scratch } = this;
    const { hiddenSize: d, vocabSize, normEps } = model.config;
    const hidden = this.hidden(batch);
    const last = normForward(model.norm, hidden.subarray(hidden.length - d), "final", 1, normEps, scratch);
    const logits = scratch.f32("logits", vocabSize);
    matmul(last, model.head.weight, logits, 1);
    return toHost(logits).slice();
  }

  /** Forward and backward: accumulates into the gradient of everything that trains. */
  forwardBackward(batch: Batch, options: PassOptions): PassResult {
    return finish(this.forwardBackwardSteps(batch, options));
  }

  /** `forwardBackward` a block at a time, as `lossSteps`; the gradients are complete when it returns. */
  *forwardBackwardSteps(whole: Batch, options: PassOptions): Generator<void, PassResult, void> {
    const total = { nll: 0, targets: 0 };
    for (const part of this.parts(whole)) addLosses(total, yield* this.partSteps(part, options));
    return total;
  }

  private *partSteps({ batch, start }: BatchPart, options: PassOptions): Generator<void, Losses, void> {
    const { model, scratch } = this;
    const { gradientScale, checkpointing = true, dropout } = options;
    const d = model.config.hiddenSize;
    const { ids, hidden, layout } = this.embed(batch);
    const t = layout.tokens;
    // The first blocks have a place of their own for their activations, the others share one, where those of the last are still there.
    const last = model.layers.length - 1;
    const shared = checkpointing ? this.kept(t) - 1 : last;
    const at = (layer: number) => ({
      keep: this.keep(Math.min(layer, shared)),
      scratch,
      ...(dropout ? { dropout: { ...dropout, layer, token: start } } : {}),
    });
    const inputs: Floats[] = [];
    for (const [i, layer] of model.layers.entries()) {
      yield;
      const input = scratch.activations(`input ${i}`, t * d);
      input.set(hidden as never);
      blockForward(model, this.block(layer, t), input, hidden, layout, at(i));
      inputs.push(input);
    }
    yield;
    const gradient = scratch.activations("gradient", t * d);
    const losses = this.head(batch, hidden, gradient, gradientScale);
    for (let i = last; i >= 0; i--) {
      yield;
      const [layer, input] = [this.block(model.layers[i]!, t), inputs[i]!];
      const options = at(i);
      if (i >= shared && i < last) blockForward(model, layer, input, null, layout, options);
      blockBackward(model, layer, input, gradient, layout, options);
    }
    const { embedding } = model;
    if (embedding.weight.kind === "dense" && embedding.weight.grad)
      kernels.embeddingBackward(ids, gradient, embedding.weight.grad, { m: t, d, vocab: embedding.weight.n });
    return losses;
  }

  /** The parts of a batch that go through the model one after the other. */
  private parts(batch: Batch): Generator<BatchPart, void, void> {
    return splitBatch(batch, tokensTogether(this.model.device, batch.ids.length, 0));
  }

  private block(layer: Layer, tokens: number): Layer {
    return this.decoded?.of(layer, tokens) ?? layer;
  }

  /** Blocks that keep their activations in passes of up to `tokens` tokens, or as many as were announced. */
  private kept(tokens: number): number {
    const { config, layers } = this.model;
    const ranksOf = (layer: Layer) => linearKeys.reduce((sum, key) => sum + (layer[key].adapter?.r ?? 0), 0);
    const ranks = Math.max(...layers.map(ranksOf));
    return keptBlocks(config, Math.max(tokens, this.largest.tokens), ranks, this.activationMemory);
  }

  private keep(index: number): Workspace {
    this.keeps[index] ??= new Workspace(this.model.device);
    this.keeps[index].room = this.scratch.room;
    return this.keeps[index];
  }

  /** What the last block puts out, [t, hidden]; nothing is kept. */
  private hidden(batch: Batch): Floats {
    return finish(this.hiddenSteps(batch));
  }

  private *hiddenSteps(batch: Batch): Generator<void, Floats, void> {
    const { hidden, layout } = this.embed(batch);
    for (const layer of this.model.layers) {
      yield;
      blockForward(this.model, this.block(layer, layout.tokens), hidden, hidden, layout, {
        keep: this.keep(0),
        scratch: this.scratch,
      });
    }
    yield;
    return hidden;
  }

  private embed(batch: Batch): { ids: Ints; hidden: Floats; layout: Layout } {
    const { model, scratch } = this;
    const t = batch.ids.length;
    scratch.room = Math.max(1, this.largest.tokens / t);
    const { n, k, ...weight } = model.embedding.weight;
    if (weight.kind !== "dense") throw new TypeError(`${model.embedding.name}: an embedding is kept in 16 or 32 bits`);
    const ids = scratch.i32("ids", batch.ids);
    const hidden = scratch.activations("hidden", t * k);
    kernels.embedding(ids, weight.data, hidden, { m: t, d: k, vocab: n });
    const borders = scratch.i32("cuSeqlens", batch.cuSeqlens);
    const positions = scratch.i32("positions", batch.positions);
    return { ids, hidden, layout: { tokens: t, positions, cuQ: borders, cuK: borders } };
  }

  /** Frees what is on a device. */
  [Symbol.dispose](): void {
    for (const workspace of [this.scratch, ...this.keeps]) workspace[Symbol.dispose]();
  }

  /**
   * Final norm, head and loss over the positions that have a target, in chunks of rows. With `gradient` [t, hidden] it is
   * set to dL/dhidden.
   */
  private head(batch: Batch, hidden: Floats, gradient: Floats | null, gradientScale: number): Losses {
    const { model, scratch } = this;
    const { hiddenSize: d, vocabSize, normEps } = model.config;
    const t = batch.ids.length;
    const rows = Int32Array.from(batch.targets.keys()).filter((i) => batch.targets[i] !== -100);
    if (gradient) zero(gradient);
    const chunk = logitsRows(Number.POSITIVE_INFINITY, vocabSize);
    const { room } = scratch;
    const nlls = scratch.f32("nll", rows.length);
    for (let start = 0; start < rows.length; start += chunk) {
      const m = Math.min(chunk, rows.length - start);
      scratch.room = Math.max(1, Math.min(chunk, this.largest.targets) / m);
      const part = rows.subarray(start, start + m);
      const at = scratch.i32("head rows", part);
      const labels = scratch.i32(
        "labels",
        part.map((row) => batch.targets[row]!),
      );
      const x = scratch.activations("head x", m * d);
      kernels.embedding(at, hidden, x, { m, d, vocab: t }); // the rows that have a target
      const normed = normForward(model.norm, x, "final", m, normEps, scratch);
      const logits = scratch.f32("logits", m * vocabSize);
      matmul(normed, model.head.weight, logits, m, { compute: arithmetic(model.compute, "forward") });
      kernels.crossEntropy(logits, labels, nlls.subarray(start, start + m), {
        m,
        v: vocabSize,
        scale: gradientScale,
        gradient: gradient !== null,
      });
      if (!gradient) continue;
      const dNormed = scratch.activations("head dn", m * d);
      this.headBackward(logits, labels, dNormed, m, gradientScale);
      accumulateGradient(logits, normed, model.head.weight, m);
      const dx = scratch.activations("head dx", m * d);
      zero(dx);
      normBackward(model.norm, dNormed, x, "final", dx, m, scratch);
      kernels.embeddingBackward(at, dx, gradient, { m, d, vocab: t }); // and back to their places
    }
    scratch.room = room;
    return { rows, nlls };
  }

  /**
   * dx [m, hidden] = dlogits [m, vocab]·W. Of a group of 64 logits the target's −1 would be the scale in 8 bits, and most probabilities
   * would be rounded to 0, always down: it is taken out there, and its row of W subtracted exactly.
   */
  private headBackward(dlogits: Floats, labels: Ints, dx: Floats, m: number, scale: number): void {
    const { head, config } = this.model;
    const [{ weight }, { hiddenSize: d, vocabSize: vocab }] = [head, config];
    const compute = arithmetic(this.model.compute, "backward");
    const apart = compute === "int8" && weight.kind === "dense" && !weight.grad && labels instanceof Int32Array;
    if (apart) {
      for (const [i, label] of labels.entries()) (dlogits as Float32Array)[i * vocab + label]! += scale;
      kernels.embedding(labels, weight.data, dx, { m, d, vocab });
      kernels.scale(dx, -scale, { n: m * d });
    }
    matmulTransposed(dlogits, weight, dx, m, { compute, accumulate: apart });
  }
}

/** nll of each row that has a target, wherever the model is. */
interface Losses {
  rows: Int32Array;
  nlls: Floats;
}

/** Reads losses, on a device for the first time since the pass began, and adds them up. */
function addLosses(total: PassResult, { nlls }: Losses): void {
  for (const value of toHost(nlls)) total.nll += value;
  total.targets += nlls.length;
}

/** Runs a generator to its end. */
function finish<T>(steps: Generator<void, T, void>): T {
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
  }
}
