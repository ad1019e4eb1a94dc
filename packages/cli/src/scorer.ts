// A loaded model as the scorers of @qlora/eval see it.
import { setImmediate as tick } from "node:timers/promises";
import type { Scorer, TokenScorer } from "@qlora/eval";
import { Runner, sequenceBatch } from "@qlora/transformer";
import type { LoadedModel } from "./model-options.js";

/** Scores every token of a sequence. */
export function tokenScorer({ model, tokenizer }: LoadedModel): TokenScorer {
  const runner = new Runner(model);
  return {
    contextLength: model.config.maxPositions,
    encode: (text) => tokenizer.encode(text, { addSpecial: false }),
    async scoreTokens(ids) {
      await tick(); // lets Ctrl-C and the bar through
      const losses = runner.tokenLosses(sequenceBatch(ids)); // losses[i] is that of predicting i + 1
      const scores = new Float32Array(ids.length).fill(Number.NaN);
      scores.set(losses.subarray(0, ids.length - 1), 1);
      return scores;
    },
    ...(tokenizer.bos === undefined ? {} : { bos: tokenizer.bos }),
  };
}

/** Scores choices: the likelihood of a continuation, or the logits of the next token. */
export function choiceScorer({ model, tokenizer }: LoadedModel): Scorer {
  const runner = new Runner(model);
  return {
    contextLength: model.config.maxPositions,
    // Without what a tokenizer may put after a text: a choice continues the prompt.
    encode: (text) => [...tokenizer.prefix, ...tokenizer.encode(text, { addSpecial: false })],
    async logLikelihood(prefix, continuation) {
      await tick();
      const batch = sequenceBatch([...prefix, ...continuation]);
      batch.targets.fill(-100, 0, Math.max(0, prefix.length - 1));
      return -runner.loss(batch).nll;
    },
    async nextTokenLogits(ids) {
      await tick();
      return runner.lastLogits(sequenceBatch(ids));
    },
  };
}
