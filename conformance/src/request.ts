// What is asked of PyTorch: dequantised weights, an adapter to start from, prompts, and fifty steps of sequences.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type EncodedExample, encodeDataset, loadTokenizer, readDataset } from "@qlora/data";
import { createAdapter, type LoraConfig, writePeftAdapter } from "@qlora/lora";
import { adapters, linears, loadModel, type Model, saveModel } from "@qlora/transformer";

export const learningRate = 2e-3;
export const maxGradNorm = 0.3;
const steps = 50;
const sequencesPerStep = 4;
const maxTokens = 192;

export interface Case {
  name: string;
  model: string;
  data: string;
  template: string;
}

export interface Request {
  prompts: number[][];
  steps: { ids: number[]; labels: number[] }[][];
}

const config: LoraConfig = { r: 4, alpha: 8, dropout: 0, targetModules: "all-linear" };

/** A model in NF4 with an adapter whose B is not zero, so that A has a gradient too. Same bits every time. */
export function adaptedModel({ model: dir }: Case): Model {
  const model = loadModel(dir, { precision: "nf4" });
  for (const linear of linears(model)) {
    const { n: outFeatures, k: inFeatures } = linear.weight;
    const adapter = createAdapter({
      inFeatures,
      outFeatures,
      r: config.r,
      alpha: config.alpha,
      seed: 7,
      name: linear.name,
    });
    const noise = createAdapter({
      inFeatures: adapter.b.length,
      outFeatures: 1,
      r: 1,
      alpha: 1,
      seed: 8,
      name: linear.name,
      init: "gaussian",
    });
    for (let i = 0; i < adapter.b.length; i++) adapter.b[i] = 0.05 * noise.a[i]!;
    linear.adapter = adapter;
  }
  return model;
}

/** The sequences of the case's data, the first ones that are short enough. */
export function makeRequest({ model, data, template }: Case): Request {
  const tokenizer = loadTokenizer(model);
  const { examples } = encodeDataset(readDataset(data), tokenizer, {
    template,
    maxLength: maxTokens,
    onTooLong: "drop",
  });
  const chosen = examples.slice(0, steps * sequencesPerStep);
  if (chosen.length < steps * sequencesPerStep)
    throw new Error(`${data} has only ${chosen.length} sequences of at most ${maxTokens} tokens`);
  const plain = ({ ids, labels }: EncodedExample) => ({ ids: Array.from(ids), labels: Array.from(labels) });
  return {
    prompts: chosen.slice(0, 2).map(({ ids }) => Array.from(ids).slice(0, 24)),
    steps: Array.from({ length: steps }, (_, i) =>
      chosen.slice(i * sequencesPerStep, (i + 1) * sequencesPerStep).map(plain),
    ),
  };
}

/** Fills `dir` with everything that training_golden.py reads. */
export function writeRequest(dir: string, { model }: Case, request: Request, adapted: Model): void {
  mkdirSync(dir, { recursive: true });
  const full = join(dir, "dequantised");
  saveModel(adapted, model, full, "F32");
  writePeftAdapter(join(dir, "initial"), adapters(adapted), config);
  writeFileSync(
    join(dir, "request.json"),
    JSON.stringify({ model: full, learning_rate: learningRate, max_grad_norm: maxGradNorm, ...request }),
  );
}

export { config as adapterConfig };
