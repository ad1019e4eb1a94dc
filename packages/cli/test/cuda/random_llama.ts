// LLaMA's shapes with random weights in NF4 on a device, matrix after matrix, for memory and time alone.
import { randomFillSync } from "node:crypto";
import { allocArray, type DeviceArray, type DeviceId, toDevice } from "@qlora/cuda-runtime";
import { ropeTables } from "@qlora/kernels";
import { createAdapter } from "@qlora/lora";
import * as nf4 from "@qlora/nf4";
import {
  type Layer,
  type Linear,
  type LinearKey,
  linearKeys,
  linearName,
  linearShape,
  type Model,
  type ModelConfig,
  placeAdapter,
} from "@qlora/transformer";

/** Every matrix of one shape has the same codes; adapters of `rank` on all of them where it is above 0. */
export function randomLlama(config: ModelConfig, device: DeviceId, rank: number): Model {
  const { hiddenSize: d, vocabSize, maxPositions: positions, headDim, ropeTheta: theta } = config;
  const hosts = new Map<string, nf4.QuantizedTensor>();
  const alloc: nf4.Alloc = (dtype, length) => allocArray(dtype, length, { device, label: "weight" });
  const linear = (layer: number, key: LinearKey): Linear => {
    const [n, k] = linearShape(config, key);
    const host = hosts.get(`${n} × ${k}`) ?? randomTensor(n, k);
    hosts.set(`${n} × ${k}`, host);
    const name = linearName(layer, key);
    const weight = { kind: "4bit" as const, n, k, data: nf4.toDevice(host, alloc) };
    if (rank === 0) return { name, weight };
    const adapter = createAdapter({ inFeatures: k, outFeatures: n, r: rank, alpha: 16, seed: 1, name });
    return { name, weight, adapter: placeAdapter(adapter, device) };
  };
  const norm = (name: string) => ({ name, weight: toDevice(new Float32Array(d).fill(1), { device }) });
  const layers = Array.from({ length: config.layers }, (_, i): Layer => {
    const parts = Object.fromEntries(linearKeys.map((key) => [key, linear(i, key)])) as Pick<Layer, LinearKey>;
    return { ...parts, inputNorm: norm(`${i} input`), postAttentionNorm: norm(`${i} post-attention`) };
  });
  const dense = (name: string): Linear => ({
    name,
    weight: { kind: "dense", n: vocabSize, k: d, data: randomBf16(vocabSize * d, device) },
  });
  const { cos, sin } = ropeTables({ positions, headDim, theta });
  return {
    config,
    device,
    precision: "nf4",
    compute: "f32",
    embedding: dense("embedding"),
    layers,
    norm: norm("norm"),
    head: dense("head"),
    rope: { cos: toDevice(cos, { device }), sin: toDevice(sin, { device }) },
  };
}

/** Uniform codes, whose levels are near normal, with scales that give them a variance of 1/k. */
function randomTensor(n: number, k: number): nf4.QuantizedTensor {
  const meanSquare = nf4.levels("nf4").reduce((sum, level) => sum + level ** 2, 0) / 16;
  const absmax = new Float32Array((n * k) / 64).fill(1 / Math.sqrt(k * meanSquare));
  const codes = randomFillSync(new Uint8Array((n * k) / 2));
  return { codes, shape: [n, k], codebook: "nf4", blockSize: 64, absmax: undefined, nested: nf4.nest(absmax) };
}

/** ±2⁻⁶ and thereabouts. */
function randomBf16(length: number, device: DeviceId): DeviceArray {
  const words = randomFillSync(new Uint16Array(length));
  for (let i = 0; i < length; i++) words[i] = (words[i]! & 0x807f) | 0x3c80;
  return toDevice(words, { device });
}
