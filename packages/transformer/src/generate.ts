// Generation with a cache of keys and values: the prompt in one pass, then a token at a time.
import * as kernels from "@qlora/kernels";
import { blockForward, type LayerCache, normForward } from "./block.js";
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
  /** Uniforms in [0, 1), used when temperature > 0. */
  random?: () => number;
}

/** One sequence being decoded: its cache and scratch. */
export class Decoder {
  private readonly keep = new Workspace();
  private readonly scratch = new Workspace();
  private readonly caches: LayerCache[];
  length = 0;

  /** Makes room for `capacity` tokens. */
  constructor(
    readonly model: Model,
    readonly capacity: number,
  ) {
    const { kvHeads, headDim, layers, maxPositions } = model.config;
    if (capacity > maxPositions)
      throw new ModelError("CONTEXT_EXCEEDED", `${capacity} tokens do not fit the model's context of ${maxPositions}`);
    const size = capacity * kvHeads * headDim;
    this.caches = Array.from({ length: layers }, () => ({
      k: new Float32Array(size),
      v: new Float32Array(size),
      length: 0,
    }));
  }

  /** Appends tokens and returns the logits [vocab] after the last one; valid until the next call. */
  append(ids: ArrayLike<number>): Float32Array {
    const { model, keep, scratch } = this;
    const { hiddenSize: d, vocabSize, normEps } = model.config;
    const t = ids.length;
    if (t === 0) throw new RangeError("append: needs at least one token");
    if (this.length + t > this.capacity)
      throw new ModelError(
        "CONTEXT_EXCEEDED",
        `${this.length + t} tokens do not fit this decoder's capacity of ${this.capacity}`,
      );
    const positions = Int32Array.from({ length: t }, (_, i) => this.length + i);
    const layout = { tokens: t, positions, cuQ: Int32Array.of(0, t), cuK: Int32Array.of(0, this.length + t) };
    const { weight } = model.embedding;
    if (weight.kind !== "dense") throw new TypeError(`${model.embedding.name}: an embedding is kept in 16 or 32 bits`);
    const hidden = scratch.f32("hidden", t * d);
    kernels.embedding(Int32Array.from(ids), weight.data, hidden, { m: t, d, vocab: vocabSize });
    model.layers.forEach((layer, i) => {
      const cache = this.caches[i]!;
      blockForward(model, layer, hidden, hidden, layout, { keep, scratch, cache });
      cache.length += t;
    });
    this.length += t;
    const last = normForward(model.norm, hidden.subarray((t - 1) * d, t * d), "final", 1, normEps, scratch);
    const logits = scratch.f32("logits", vocabSize);
    matmul(last, model.head.weight, logits, 1);
    return logits;
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
  const decoder = new Decoder(model, Math.min(maxPositions, prompt.length + maxNewTokens));
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
