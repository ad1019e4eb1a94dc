// The task and the recipe of every training run here: the quickstart's questions, learned by the small base model of this repository.
// The budget ends long before the loss reaches its floor (0.004 after 400 steps), so that differences between methods can show.
import type { FineTuneSettings } from "../fine-tune.js";
import { baseModel, heldOutData, trainData } from "../paths.js";

export type Options = Partial<FineTuneSettings["options"]>;

export interface Budget {
  steps: number;
  seeds: number[];
}

export const budget = (quick: boolean): Budget =>
  quick ? { steps: 40, seeds: [1, 2, 3] } : { steps: 80, seeds: Array.from({ length: 12 }, (_, i) => i + 1) };

/** A run with the paper's settings, but for what a small model and a short budget need: a higher rate, which falls to 0. */
export function recipe(options: Options, { steps }: Budget, seed: number): FineTuneSettings {
  return {
    options: {
      model: baseModel,
      data: trainData,
      heldOutData,
      template: "guanaco",
      batchSize: 16,
      gradientAccumulation: 1,
      maxSteps: steps,
      learningRate: 2e-3,
      schedule: "linear",
      saveSteps: 0,
      seed,
      ...options,
    },
    ask: 100,
  };
}
