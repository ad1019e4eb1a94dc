// Whether a step is applied, and how a step that is not is described.
import { firstNonFinite } from "@qlora/paged-optim";
import type { TrainingData } from "./dataset.js";
import { nonFiniteTensor } from "./non-finite.js";
import type { Run } from "./run.js";

/** Why a step of this loss and gradient norm must not be applied, or undefined. */
export function whySkip({ parts, history }: Run, loss: number, gradNorm: number): string | undefined {
  const { config, model, parameters } = parts;
  if (!Number.isFinite(loss))
    return `the loss is not finite, first bad tensor: ${nonFiniteTensor(model, parameters) ?? "an activation"}`;
  if (!Number.isFinite(gradNorm)) return `the gradient of ${firstNonFinite(parameters)} is not finite`;
  if (config.spikeThreshold === 0) return undefined;
  const off = history.zScore({ loss, gradNorm }, config.spikeWindow);
  return off && off.z > config.spikeThreshold
    ? `its ${off.of} is ${off.z.toFixed(1)} standard deviations above the last ${config.spikeWindow} steps`
    : undefined;
}

/** Which examples these are, by file and line where they are known. */
export function describeExamples({ training, origins }: TrainingData, indices: readonly number[]): string {
  const names = indices.slice(0, 16).map((i) => {
    const origin = origins[training[i]!.example];
    return origin ? `${origin.path}:${origin.line}` : `example ${i}`;
  });
  return `${names.join(", ")}${indices.length > 16 ? `, and ${indices.length - 16} more` : ""}`;
}
