// Generation with a cache of keys and values: the prompt in one pass, then a token at a time. On a device the kernels of one token are
// a graph, launched for token after token.
import { Graph } from "@qlora/cuda-runtime";
import * as kernels from "@qlora/kernels";
import { blockForward, normForward } from "./block.js";
import { type Caches, type CacheType, layerCaches } from "./cache.js";
import { type Floats, type Ints, toHost } from "./device.js";
import { ModelError } from "./error.js";
import type { Model } from "./model.js";
import { type SamplingOptions, sample } from "./sample.js";
import { matmul } from "./weight.js";
import { Workspace } from "./workspace.js";

export interface GenerateOptions extends SamplingOptions {
  /** Tokens to generate at most. Default 256. */
  maxNewTokens?: number;
  /** Ids that end the text; they are not yielded. Default the model's end-of-sequence ids. */
  stopIds?: Iterable<number>;
  /** How keys and values of earlier tokens are kept: bf16 and int8 take less memory and more time. Default "f32". */
  cache?: CacheType;
  /** Uniforms in [0, 1), used when temperature > 0. */
  random?: () => number;
}

/** One sequence being decoded: its cache and scratch. */
export class Decoder implements Disposable {
  private readonly keep: Workspace;
  private readonly scratch: Workspace;
  private readonly caches: Caches;
  /** The work of appending one token, where the last call did that on a device: `inputs` and all else are where they were. */
  private graph: Graph | undefined;
  length = 0;

  /** Makes room for `capacity` tokens, with keys and values kept in `cache`. */
  constructor(
    readonly model: Model,
    readonly capacity: number,
    { cache = "f32" }: { cache?: CacheType } = {},
  ) {
    const { maxPositions } = model.config;
    if (capacity > maxPositions)
      throw new ModelError("CONTEXT_EXCEEDED", `${capacity} tokens do not fit the model's context of ${maxPositions}`);
    [this.keep, this.scratch] = [new Workspace(model.device), new Workspace(model.device)];
    this.caches = layerCaches(model, capacity, cache);
  }

  /** Bytes of the keys and values. */
  get cacheBytes(): number {
    return this.caches.bytes;
  }

  /** Appends tokens and returns the logits [vocab] after the last one; valid until the next call. */
  append(ids: ArrayLike<number>): Float32Array {
    const { model, scratch } = this;
    const t = ids.length;
    if (t === 0) throw new RangeError("append: needs at least one token");
    if (this.length + t > this.capacity)
      throw new ModelError(
        "CONTEXT_EXCEEDED",
        `${this.length + t} tokens do not fit this decoder's capacity of ${this.capacity}`,
      );
    if (t > 1) this.forgetGraph();
    const inputs = scratch.i32("inputs", this.inputsOf(ids));
    if (this.graph) this.graph.launch();
    else {
      this.queue(t, inputs);
      if (t === 1 && model.device !== "cpu")
        this.graph = new Graph(() => void this.queue(t, inputs), { device: model.device, label: "decoding" });
    }
    this.length += t;
    return toHost(scratch.f32("logits", model.config.vocabSize));
  }

  /** What `queue` wants of these tokens, in one array. */
  private inputsOf(ids: ArrayLike<number>): Int32Array {
    const t = ids.length;
    const inputs = new Int32Array(2 * t + 4);
    inputs.set(ids);
    for (let i = 0; i < t; i++) inputs[t + i] = this.length + i;
    inputs.set([0, t, 0, this.length + t], 2 * t);
    return inputs;
  }

  /** The pass over `t` tokens; `inputs` are their ids and positions, and the borders of queries and keys. */
  private queue(t: number, inputs: Ints): void {
    const { model, keep, scratch } = this;
    const { hiddenSize: d, vocabSize, normEps } = model.config;
    const [ids, positions, cuQ, cuK] = [
      inputs.subarray(0, t),
      inputs.subarray(t, 2 * t),
      inputs.subarray(2 * t, 2 * t + 2),
      inputs.subarray(2 * t + 2),
    ];
    const { weight } = model.embedding;
    if (weight.kind !== "dense") throw new TypeError(`${model.embedding.name}: an embedding is kept in 16 or 32 bits`);
    const hidden: Floats = scratch.activations("hidden", t * d);
    kernels.embedding(ids, weight.data, hidden, { m: t, d, vocab: vocabSize });
    for (const [i, layer] of model.layers.entries())
      blockForward(
        model,
        layer,
        hidden,
        hidden,
        { tokens: t, positions, cuQ, cuK },
        { keep, scratch, cache: this.caches.layers[i]! },
      );
    const last = normForward(model.norm, hidden.subarray((t - 1) * d, t * d), "final", 1, normEps, scratch);
    matmul(last, model.head.weight, scratch.f32("logits", vocabSize), 1);
  }

  private forgetGraph(): void {
    this.graph?.free();
    this.graph = undefined;
  }

  /** Frees what is on a device. */
  [Symbol.dispose](): void {
    this.forgetGraph();
    this.caches[Symbol.dispose]();
    for (const workspace of [this.keep, this.scratch]) workspace[Symbol.dispose]();
  }
}

/** Yields token ids after `prompt` until a stop id, `maxNewTokens`, or the end of the model's context. */
export function* generate(
  model: Model,
  prompt: ArrayLike<number>,
  options: GenerateOptions = {},
): Generator<number, void, void> {
  const { maxNewTokens = 256, stopIds = model.config.eosTokenIds, random = Math.random } = options;
  const stop = new Set(stopIds);
  const { maxPositions } = model.config;
  if (prompt.length === 0 || prompt.length > maxPositions)
    throw new ModelError(
      "CONTEXT_EXCEEDED",
      `the prompt has ${prompt.length} tokens; the model takes 1 to ${maxPositions}`,
    );
  using decoder = new Decoder(model, Math.min(maxPositions, prompt.length + maxNewTokens), options);
  const seen = Array.from(prompt);
  let logits = decoder.append(prompt);
  for (let i = 0; i < maxNewTokens; i++) {
    const id = sample(logits, seen, random, options);
    if (stop.has(id)) return;
    yield id;
    seen.push(id);
    if (decoder.length === decoder.capacity || i + 1 === maxNewTokens) return;
    logits = decoder.append([id]);
  }
}
