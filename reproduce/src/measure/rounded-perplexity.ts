// Perplexity of a pretrained model whose linear layers are rounded to each 4-bit type: the same text, the same f32 arithmetic.
import { collate, loadTokenizer, type Sequence } from "@qlora/data";
import { createRandom, type MeanInterval, meanInterval } from "@qlora/eval";
import { dequantize, quantize } from "@qlora/nf4";
import { generate, linears, loadModel, type Model, Runner } from "@qlora/transformer";
import { Random } from "quickstart/random";
import { portraits } from "quickstart/world";
import { names, types } from "./code-errors.js";

/** Documents that are scored together: the unit of the interval. */
const batchSize = 8;

export interface Perplexities {
  tokens: number;
  types: {
    name: string;
    perplexity: number;
    /** Nats a token above NF4 + DQ, over batches of documents. */
    worse: MeanInterval;
  }[];
}

/** Perplexity under f32 and every 4-bit type. `ownWorld`: text about the base model's people; else text that the model writes itself. */
export function perplexities(path: string, documents: number, ownWorld: boolean): Perplexities {
  const exact = loadModel(path, { precision: "f32" });
  const texts = ownWorld ? portraitsOf(path, documents) : ownTexts(exact, documents);
  const batches = Array.from({ length: documents / batchSize }, (_, i) =>
    collate(texts.slice(i * batchSize, (i + 1) * batchSize)),
  );
  const losses = (model: Model) => {
    const runner = new Runner(model);
    return batches.map((batch) => runner.loss(batch));
  };
  const measured = [
    { name: "f32", batches: losses(exact) },
    { name: "NF4 + DQ, 4-bit kernels", batches: losses(loadModel(path, { precision: "nf4" })) },
    ...names.map((name) => ({ name, batches: losses(rounded(path, name)) })),
  ];
  const reference = measured.find(({ name }) => name === "NF4 + DQ")!.batches;
  const perToken = ({ nll, targets }: { nll: number; targets: number }) => nll / targets;
  return {
    tokens: reference.reduce((sum, { targets }) => sum + targets, 0),
    types: measured.map(({ name, batches }) => {
      const [nll, targets] = batches.reduce(([n, t], batch) => [n + batch.nll, t + batch.targets], [0, 0]);
      const worse = meanInterval(batches.map((batch, i) => perToken(batch) - perToken(reference[i]!)));
      return { name, perplexity: Math.exp(nll / targets), worse };
    }),
  };
}

/** The model with every linear layer of its blocks quantised and decoded again. */
function rounded(path: string, name: string): Model {
  const model = loadModel(path, { precision: "f32" });
  for (const { weight } of linears(model)) {
    const data = weight.data as Float32Array;
    dequantize(quantize(data, { shape: [weight.n, weight.k], ...types[name]! }), { out: data });
  }
  return model;
}

function portraitsOf(path: string, documents: number): Sequence[] {
  const tokenizer = loadTokenizer(path);
  const random = new Random(1000); // pre-training drew from another seed
  return Array.from({ length: documents }, () => sequence([...tokenizer.encode(portraits(random))]));
}

/** Sampled from the exact model at temperature 1: its perplexity on them is its own entropy, and what a type adds is divergence. */
function ownTexts(model: Model, documents: number): Sequence[] {
  const random = createRandom(1);
  const start = [model.config.bosTokenId ?? 1];
  return Array.from({ length: documents }, () =>
    sequence([
      ...start,
      ...generate(model, start, { maxNewTokens: 128, temperature: 1, random: () => random.uniform() }),
    ]),
  );
}

function sequence(list: number[]): Sequence {
  const ids = Int32Array.from(list);
  return { ids, labels: ids };
}
