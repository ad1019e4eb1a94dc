// Generation with a cache of keys and values: the prompt in one pass, then a token at a time.
import { DeviceArray } from "@qlora/cuda-runtime";
import * as kernels from "@qlora/kernels";
import { blockForward, type LayerCache, normForward } from "./block.js";
import { type Floats, newArray, toHost } from "./device.js";
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
export class Decoder implements Disposable {
  private readonly keep: Workspace;
  private readonly scratch: Workspace;
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
    const { device } = model;
    [this.keep, this.scratch] = [new Workspace(device), new Workspace(device)];
    const room = () =>
      newArray(device, device === "cpu" ? "f32" : "bf16", capacity * kvHeads * headDim, "cache") as Floats;
    this.caches = Array.from({ length: layers }, () => ({ k: room(), v: room(), length: 0 }));
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
    const layout = {
      tokens: t,
      positions: scratch.i32(
        "positions",
        Int32Array.from({ length: t }, (_, i) => this.length + i),
      ),
      cuQ: scratch.i32("cuQ", Int32Array.of(0, t)),
      cuK: scratch.i32("cuK", Int32Array.of(0, this.length + t)),
    };
    const { weight } = model.embedding;
    if (weight.kind !== "dense") throw new TypeError(`${model.embedding.name}: an embedding is kept in 16 or 32 bits`);
    const hidden = scratch.activations("hidden", t * d);
    kernels.embedding(scratch.i32("ids", Int32Array.from(ids)), weight.data, hidden, { m: t, d, vocab: vocabSize });
    model.layers.forEach((layer, i) => {
      const cache = this.caches[i]!;
      blockForward(model, layer, hidden, hidden, layout, { keep, scratch, cache });
      cache.length += t;
    });
    this.length += t;
    const last = normForward(model.norm, hidden.subarray((t - 1) * d, t * d), "final", 1, normEps, scratch);
    const logits = scratch.f32("logits", vocabSize);
    matmul(last, model.head.weight, logits, 1);
    return toHost(logits);
  }

  /** Frees what is on a device. */
  [Symbol.dispose](): void {
    for (const { k, v } of this.caches) for (const array of [k, v]) if (array instanceof DeviceArray) array.free();
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
  using decoder = new Decoder(model, Math.min(maxPositions, prompt.length + maxNewTokens));
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
