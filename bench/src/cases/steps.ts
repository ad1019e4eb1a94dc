// Whole training steps (adapters of rank 64 on every linear layer, checkpointing, AdamW), random weights in NF4.
// Beside PyTorch + PEFT, where QLORA_PYTHON has them: with bitsandbytes, and on f32 base weights, where there is nothing to dequantise.
// And beside @qvac/llm-llamacpp, the one peer of JavaScript's that trains on a CPU, where QLORA_PEERS has it.
import { defaultActivationMemory, keptBlocks, sequenceBatch, tokensTogether, trainables } from "@qlora/transformer";
import type { Case, CaseGroup } from "../case.js";
import { notQuick, qvacPeer } from "../qvac.js";
import { describe, linearWeights, roleNames } from "../random-model.js";
import { rank, stepShapes, trainingStep } from "../step.js";
import { torchBases, torchPeer } from "../torch.js";

export const steps: CaseGroup = {
  names: ["training step", "training step int8"],
  profiled: true,
  *make({ quick, shape: wanted }) {
    for (const shape of quick ? stepShapes.slice(1, 2) : stepShapes) {
      const title = `${describe(shape)}, ${shape.batch} × ${shape.seq} tokens`;
      if (!wanted.test(title)) continue;
      const { model, runner, batch, phases, run } = trainingStep(shape);
      const { config } = model;
      const tokens = shape.batch * shape.seq;
      const one = sequenceBatch(batch.ids.subarray(0, shape.seq));
      // What is executed: forward and dX of every weight, recomputation of the blocks that are not kept (and of no down projection);
      // the adapters' products likewise, and their gradients; attention forward, recomputed and backward; the head both ways.
      const kept = keptBlocks(config, tokensTogether("cpu", tokens, shape.seq), 7 * rank, defaultActivationMemory);
      const again = 1 - kept / config.layers;
      const down = config.layers * shape.hidden * shape.ffn;
      const adapters = trainables(model).reduce((sum, { data }) => sum + data.length, 0);
      const pairs = shape.layers * shape.batch * (shape.seq ** 2 / 2) * shape.hidden;
      const flops =
        tokens * (4 * linearWeights(config) + 2 * again * (linearWeights(config) - down) + (6 + 2 * again) * adapters) +
        4 * pairs * (1 + again + 2.5) +
        4 * shape.vocab * shape.hidden * tokens;
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
          run();
        },
        profile: {
          *phases() {
            model.compute = compute;
            yield* phases();
          },
          roles,
        },
        peers:
          quick && compute === "int8"
            ? []
            : [
                ...torchBases(quick).map((base) => torchPeer(base, shape, model)),
                ...(compute === "f32" ? [quick ? notQuick : qvacPeer(shape)] : []),
              ],
        slow: shape.hidden !== 1024,
      });
      yield make("training step", "f32");
      yield make("training step int8", "int8");
    }
  },
};
