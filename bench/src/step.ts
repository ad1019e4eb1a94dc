// The training step that is measured: adapters of rank 64 on every linear layer, checkpointing, AdamW, random weights in NF4.
import { AdamW } from "@qlora/paged-optim";
import { type Batch, type Model, Runner, trainables, zero } from "@qlora/transformer";
import { modelConfig, randomModel, type Shape } from "./random-model.js";

export const rank = 64;
/** A model and the tokens of a step. */
export type StepShape = Shape & { batch: number; seq: number };

/** hidden × layers, ffn, heads, vocabulary, batch × sequence: the last is one block of LLaMA-7B. */
export const stepShapes: StepShape[] = [
  { hidden: 512, layers: 8, ffn: 1376, heads: 8, vocab: 4096, batch: 4, seq: 256 },
  { hidden: 1024, layers: 4, ffn: 2816, heads: 16, vocab: 32000, batch: 1, seq: 512 },
  { hidden: 2048, layers: 2, ffn: 5632, heads: 32, vocab: 32000, batch: 1, seq: 512 },
  { hidden: 4096, layers: 1, ffn: 11008, heads: 32, vocab: 32000, batch: 1, seq: 128 },
];

/** `batch` sequences of `seq` tokens, each of which predicts the next one. */
export function packedBatch({ vocab, batch, seq }: Pick<StepShape, "vocab" | "batch" | "seq">): Batch {
  const ids = Int32Array.from({ length: batch * seq }, (_, i) => (i * 7919) % vocab);
  return {
    ids,
    targets: Int32Array.from(ids, (_, i) => ((i + 1) % seq ? ids[i + 1]! : -100)),
    positions: Int32Array.from(ids, (_, i) => i % seq),
    cuSeqlens: Int32Array.from({ length: batch + 1 }, (_, i) => i * seq),
  };
}

export interface Step {
  model: Model;
  runner: Runner;
  batch: Batch;
  /** Names of the phases, each before it begins; running to the end is one step. */
  phases(): Generator<string, void, void>;
  /** One step; returns its mean loss, of before the update. */
  run(): number;
}

export function trainingStep(shape: StepShape): Step {
  const config = modelConfig(shape, shape.seq);
  const model = randomModel(config, rank);
  const parameters = trainables(model);
  const optimizer = new AdamW(parameters, { lr: 1e-4 });
  const runner = new Runner(model);
  const batch = packedBatch(shape);
  const targets = shape.batch * (shape.seq - 1);
  let loss = Number.NaN;
  function* phases(): Generator<string, void, void> {
    yield "forward";
    for (const { grad } of parameters) zero(grad);
    const pass = runner.forwardBackwardSteps(batch, { gradientScale: 1 / targets });
    // It stops before each block, before the head, and before each block backward.
    for (let i = 0; ; i++) {
      const { done, value } = pass.next();
      if (done) {
        loss = value.nll / value.targets;
        break;
      }
      yield i < config.layers ? "forward" : i === config.layers ? "head and loss" : "backward";
    }
    yield "optimiser";
    optimizer.step({ maxNorm: 0.3 });
  }
  const run = () => {
    for (const _ of phases());
    return loss;
  };
  return { model, runner, batch, phases, run };
}
