// Loss on held-out sequences: Σ nll / targets, no dropout, no gradient.
import { collate, type EncodedExample } from "@qlora/data";
import type { Runner } from "@qlora/transformer";

/**
 * Mean nll over every target, in passes of at most `tokens` tokens (at least one sequence); yields its progress before every
 * block.
 */
export function* heldOutLoss(
  runner: Runner,
  examples: readonly EncodedExample[],
  tokens: number,
): Generator<{ done: number; total: number }, number, void> {
  let [nll, targets] = [0, 0];
  for (let at = 0; at < examples.length; ) {
    const pass: EncodedExample[] = [];
    const done = at;
    for (let size = 0; at < examples.length && (pass.length === 0 || size + examples[at]!.ids.length <= tokens); at++) {
      pass.push(examples[at]!);
      size += examples[at]!.ids.length;
    }
    const steps = runner.lossSteps(collate(pass));
    let next = steps.next();
    for (; !next.done; next = steps.next()) yield { done, total: examples.length };
    nll += next.value.nll;
    targets += next.value.targets;
    yield { done: at, total: examples.length };
  }
  return nll / targets;
}
