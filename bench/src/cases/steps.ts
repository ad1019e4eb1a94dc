// Whole training steps (adapters of rank 64 on every linear layer, checkpointing, AdamW), random weights in NF4.
// Beside PyTorch + PEFT on f32 base weights, where QLORA_PYTHON has them: it has nothing to dequantise, so it is the harder peer.
import { AdamW } from "@qlora/paged-optim";
import { Runner, sequenceBatch, trainables } from "@qlora/transformer";
import type { Case, CaseGroup } from "../case.js";
import { describe, linearWeights, modelConfig, randomModel, roleNames, type Shape } from "../random-model.js";
import { torchPeer } from "../torch.js";

export const rank = 64;
/** hidden × layers, ffn, heads, vocabulary, batch × sequence: the last is one block of LLaMA-7B. */
export const shapes: (Shape & { batch: number; seq: number })[] = [
  { hidden: 512, layers: 8, ffn: 1376, heads: 8, vocab: 4096, batch: 4, seq: 256 },
  { hidden: 1024, layers: 4, ffn: 2816, heads: 16, vocab: 32000, batch: 1, seq: 512 },
  { hidden: 2048, layers: 2, ffn: 5632, heads: 32, vocab: 32000, batch: 1, seq: 512 },
  { hidden: 4096, layers: 1, ffn: 11008, heads: 32, vocab: 32000, batch: 1, seq: 128 },
];

export const steps: CaseGroup = {
  names: ["training step", "training step int8"],
  profiled: true,
  *make({ quick, shape: wanted }) {
    for (const shape of quick ? shapes.slice(1, 2) : shapes) {
      const title = `${describe(shape)}, ${shape.batch} × ${shape.seq} tokens`;
      if (!wanted.test(title)) continue;
      const config = modelConfig(shape, shape.seq);
      const model = randomModel(config, rank);
      const parameters = trainables(model);
      const optimizer = new AdamW(parameters, { lr: 1e-4 });
      const runner = new Runner(model);
      const tokens = shape.batch * shape.seq;
      const ids = Int32Array.from({ length: tokens }, (_, i) => (i * 7919) % shape.vocab);
      const one = sequenceBatch(ids.subarray(0, shape.seq));
      const batch = {
        ids,
        targets: Int32Array.from(ids, (_, i) => ((i + 1) % shape.seq ? ids[i + 1]! : -100)),
        positions: Int32Array.from(ids, (_, i) => i % shape.seq),
        cuSeqlens: Int32Array.from({ length: shape.batch + 1 }, (_, i) => i * shape.seq),
      };
      // What is executed: forward and dX of every weight, recomputation of all blocks but the last (and of no down projection);
      // the adapters' products likewise, and their gradients; attention forward, recomputed and backward; the head both ways.
      const again = (config.layers - 1) / config.layers;
      const down = config.layers * shape.hidden * shape.ffn;
      const adapters = parameters.reduce((sum, { data }) => sum + data.length, 0);
      const pairs = shape.layers * shape.batch * (shape.seq ** 2 / 2) * shape.hidden;
      const flops =
        tokens * (4 * linearWeights(config) + 2 * again * (linearWeights(config) - down) + (6 + 2 * again) * adapters) +
        4 * pairs * (1 + again + 2.5) +
        4 * shape.vocab * shape.hidden * tokens;
      function* phases(): Generator<string> {
        yield "forward";
        for (const { grad } of parameters) grad.fill(0);
        const pass = runner.forwardBackwardSteps(batch, { gradientScale: 1 / (tokens - shape.batch) });
        for (
          let i = 0;
          !pass.next().done;
          i++ // stops before each block, before the head, and before each block backward
        )
          yield i < config.layers ? "forward" : i === config.layers ? "head and loss" : "backward";
        yield "optimiser";
        optimizer.step({ maxNorm: 0.3 });
      }
      const roles = roleNames(model);
      const make = (name: string, compute: "f32" | "int8"): Case => ({
        name,
        shape: title,
        unit: "tokens/s",
        work: tokens,
        ceiling: { name: "fma", work: flops / 1e9 },
        check() {
          model.compute = compute;
          const { nll, targets } = runner.loss(one);
          // Random weights know nothing: the loss is near that of guessing.
          if (!(Math.abs(nll / targets / Math.log(shape.vocab) - 1) < 0.5))
            throw new Error(`${name}: loss ${nll / targets}; not timed`);
        },
        run() {
          model.compute = compute;
          for (const _ of phases());
        },
        profile: {
          *phases() {
            model.compute = compute;
            yield* phases();
          },
          roles,
        },
        peers: compute === "f32" ? [torchPeer({ ...shape, rank })] : [],
        slow: shape.hidden !== 1024,
      });
      yield make("training step", "f32");
      yield make("training step int8", "int8");
    }
  },
};
