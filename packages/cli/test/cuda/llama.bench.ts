// LLaMA on a GPU: a training step by tokens, decoding, and the peak of the device's memory against `qlora estimate`, each beside what the
// device reaches by itself in the same run. What does not fit it is left out aloud.
import {
  allocArray,
  copy,
  type DeviceId,
  memInfo,
  memoryStats,
  resetPeakMemory,
  synchronize,
} from "@qlora/cuda-runtime";
import * as kernels from "@qlora/kernels";
import { accumulate, estimateDeviceMemory, makeOptimizer, parseConfig } from "@qlora/trainer";
import { Decoder, freeModel, type ModelConfig, Runner, trainables, zero } from "@qlora/transformer";
import { time } from "../../../cuda-runtime/test/cuda/time.js";
import { shapeOf } from "../../src/shapes.js";
import { randomLlama } from "./random_llama.js";

const rank = 64;
/** The cards of the paper's sizes. */
const limits = { "7b": 6 * 2 ** 30, "13b": 10.5 * 2 ** 30, "33b": 24e9, "65b": 46 * 2 ** 30 };
type Size = keyof typeof limits;
type Row = Record<string, string | number>;

const tiny: ModelConfig = {
  ...shapeOf("7b"),
  hiddenSize: 64,
  intermediateSize: 128,
  layers: 2,
  heads: 2,
  kvHeads: 2,
  headDim: 32,
  vocabSize: 96,
  maxPositions: 64,
};

export default function bench(device: DeviceId): Row[] {
  const emulated = device === "cuda-emu";
  const context = usedBefore(device);
  const found = ceilings(device, emulated);
  const rows: Row[] = [{ name: "ceilings", ...found }];
  const shape = (size: Size) => (emulated ? tiny : shapeOf(size));
  const label = emulated ? "tiny" : "7b";
  for (const size of emulated ? (["7b"] as const) : (Object.keys(limits) as Size[]))
    rows.push(memory(size, emulated ? label : size, shape(size), device, context));
  const sizes: [batch: number, seq: number][] = emulated
    ? [[2, 16]]
    : [
        [1, 512],
        [4, 512],
        [4, 2048],
        [8, 2048],
      ];
  rows.push(...training(shape("7b"), sizes, device, label, found.teraflopsPerSecond));
  rows.push(decoding(shape("7b"), device, label, found.gigabytesPerSecond));
  return rows;
}

/** Bytes that the process and others hold before it has allocated anything itself. */
function usedBefore(device: DeviceId): number {
  const { free, total } = memInfo(device);
  return total - free;
}

/** A copy, and a product of bf16 that fills the device. */
function ceilings(device: DeviceId, emulated: boolean) {
  const side = emulated ? 64 : 8192;
  const array = () => allocArray("bf16", side * side, { device });
  using x = array();
  using w = array();
  using y = array();
  for (const each of [x, w]) each.zero();
  const copied = time("copy", device, () => copy(y, x), { bytes: 4 * side * side });
  const product = time("product", device, () => kernels.matmul(x, w, y, { m: side, n: side, k: side }), {
    flops: 2 * side ** 3,
  });
  return { gigabytesPerSecond: copied.gigabytesPerSecond!, teraflopsPerSecond: product.teraflopsPerSecond! };
}

const config = parseConfig({ model: "-", data: "-", output: "-", loraR: rank });
const estimateOf = (model: ModelConfig, tokens: number, gpuMemory: number) =>
  estimateDeviceMemory({ model, config, tokens, targets: tokens, gpuMemory });

/** Models and what trains them, one at a time. */
class Training implements Disposable {
  readonly model;
  readonly runner;
  private readonly parameters;
  private readonly optimizer;
  private step = 0;

  constructor(shape: ModelConfig, device: DeviceId, tokens: number, gpuMemory: number) {
    this.model = randomLlama(shape, device, rank);
    this.parameters = trainables(this.model);
    const onDevice = estimateOf(shape, tokens, gpuMemory);
    this.optimizer = makeOptimizer(this.parameters, config, "-", { device, ...onDevice });
    this.runner = new Runner(this.model, { tokens, targets: tokens, decodeBlocks: onDevice.decodeBlocks });
  }

  /** One step of `batch` sequences; seconds until the device has done it. */
  run(batch: number, seq: number): number {
    const began = performance.now();
    for (const { grad } of this.parameters) zero(grad);
    const ids = (i: number) =>
      Int32Array.from({ length: seq }, (_, j) => ((i * seq + j) * 7919) % this.model.config.vocabSize);
    const examples = Array.from({ length: batch }, (_, i) => ({ ids: ids(i), labels: ids(i), example: i }));
    const options = { checkpointing: true, dropout: config.loraDropout, seed: 1, step: this.step++ };
    const passes = accumulate(this.runner, [examples], options);
    while (!passes.next().done);
    this.optimizer.step({ maxNorm: config.maxGradNorm });
    synchronize(this.model.device as DeviceId);
    return (performance.now() - began) / 1000;
  }

  [Symbol.dispose](): void {
    this.runner[Symbol.dispose]();
    this.optimizer[Symbol.dispose]();
    freeModel(this.model);
  }
}

/** The peak of a step of 512 tokens with the optimiser's state paged so that all stays within the size's card. */
function memory(size: Size, label: string, shape: ModelConfig, device: DeviceId, before: number): Row {
  const seq = Math.min(512, shape.maxPositions);
  const limit = limits[size];
  const { total: expected, stateOnHost } = estimateOf(shape, seq, limit);
  const name = `memory ${label}, 1 × ${seq} tokens`;
  if (memInfo(device).free < expected)
    return { name, skipped: `needs ${expected} bytes, ${memInfo(device).free} are free` };
  resetPeakMemory(device);
  using step = new Training(shape, device, seq, limit);
  step.run(1, seq);
  const { peak, allocated } = memoryStats(device);
  const { free, total } = memInfo(device);
  const outside = Math.max(0, total - free - allocated - before); // the context, cuBLAS, what the driver rounds up
  return {
    name,
    limit,
    expected,
    measured: peak + outside,
    peak,
    outside,
    stateOnHost,
    ratio: expected / (peak + outside),
  };
}

/** FLOPs of a step by cuda.md's count: 6 a weight and token, 4 of the head, 8 an adapter's, causal attention. */
function flopsOf(
  { hiddenSize: d, intermediateSize: f, layers, vocabSize }: ModelConfig,
  batch: number,
  seq: number,
): number {
  const linear = layers * (4 * d * d + 3 * d * f);
  const adapters = layers * rank * (8 * d + 3 * (d + f));
  const attention = layers * 4 * d * (seq / 2) * 3.5;
  return batch * seq * (6 * linear + 4 * vocabSize * d + 8 * adapters + attention);
}

function training(shape: ModelConfig, sizes: [number, number][], device: DeviceId, label: string, peak: number): Row[] {
  const largest = Math.max(...sizes.map(([batch, seq]) => batch * seq));
  const { total } = estimateOf(shape, largest, Number.POSITIVE_INFINITY);
  const { free } = memInfo(device);
  if (free < total) return [{ name: `training step ${label}`, skipped: `needs ${total} bytes, ${free} are free` }];
  using step = new Training(shape, device, largest, free);
  return sizes.map(([batch, seq]) => {
    step.run(batch, seq);
    const seconds = [1, 2, 3].map(() => step.run(batch, seq)).sort((a, b) => a - b)[1]!;
    const ideal = flopsOf(shape, batch, seq) / (peak * 1e12);
    return {
      name: `training step ${label}, ${batch} × ${seq} tokens`,
      seconds,
      tokensPerSecond: (batch * seq) / seconds,
      percentOfProducts: (100 * ideal) / seconds,
    };
  });
}

function decoding(shape: ModelConfig, device: DeviceId, label: string, gigabytesPerSecond: number): Row {
  const model = randomLlama(shape, device, 0);
  const [prompt, tokens] = device === "cuda-emu" ? [4, 2] : [128, 64];
  try {
    using decoder = new Decoder(model, prompt + tokens + 2);
    decoder.append(Array.from({ length: prompt }, (_, i) => i % shape.vocabSize));
    for (let i = 0; i < 2; i++) decoder.append([i]); // the second is a graph
    const began = performance.now();
    for (let i = 0; i < tokens; i++) decoder.append([i]);
    const seconds = (performance.now() - began) / 1000;
    const { hiddenSize: d, intermediateSize: f, layers, vocabSize } = shape;
    const bytes = (layers * (4 * d * d + 3 * d * f) * 4.127) / 8 + 2 * vocabSize * d;
    const tokensPerSecond = tokens / seconds;
    return {
      name: `decode ${label}, batch 1`,
      tokensPerSecond,
      percentOfCopy: (tokensPerSecond * bytes) / gigabytesPerSecond / 1e7,
    };
  } finally {
    freeModel(model);
  }
}
