// Cross-entropy fused with its gradient.
import { type Floats, type Ints, operations } from "./cuda.js";

/**
 * `losses[i] = log Σ e^row − row[label]` of each row of logits; with `gradient`, the row then holds `scale ·
 * (softmax(row) − onehot(label))`. A label of −100 ignores its row: loss 0, gradient 0.
 * @param logits `[m, v]`, overwritten by the gradient unless `gradient` is false @param labels `[m]` @param losses
 * `[m]`
 * @param options.scale of the gradient, as 1 / tokens for a mean; the losses are not scaled
 */
export function crossEntropy(
  logits: Floats,
  labels: Ints,
  losses: Floats,
  { m, v, scale = 1, gradient = true }: { m: number; v: number; scale?: number; gradient?: boolean },
): void {
  operations(logits).crossEntropy(m, v, scale, gradient, logits, labels, losses);
}
