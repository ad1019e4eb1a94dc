// What a run reports while it runs.
import type { MemoryEstimate } from "./estimate.js";

export type TrainEvent =
  | { type: "data"; training: number; heldOut: number; summary: string; tokens: number; targetTokens: number }
  | MemoryEvent
  | { type: "loading"; done: number; total: number }
  | { type: "model"; parameters: number; trainable: number }
  | { type: "resumed"; step: number; path: string }
  | { type: "evaluating"; done: number; total: number }
  | { type: "evaluation"; step: number; loss: number }
  | StepEvent
  | { type: "warning"; message: string }
  | { type: "checkpoint"; step: number; path: string }
  | { type: "stopped"; step: number }
  | DoneEvent;

/** What the run will need at its peak, and what there is; a run that does not fit ends with the next event, an error. */
export interface MemoryEvent {
  type: "memory";
  estimate: MemoryEstimate;
  /** Bytes of memory that the process may reach. */
  available: number;
  /** Bytes on the disk of the output: needed at most, and free. */
  disk: { needed: number; free: number };
}

/** One optimiser step. */
export interface StepEvent {
  type: "step";
  step: number;
  steps: number;
  /** Mean nll over the step's targets, nats. */
  loss: number;
  /** Global norm of the gradient before clipping. */
  gradNorm: number;
  lr: number;
  /** Tokens of the step, and those of them that were targets. */
  tokens: number;
  targetTokens: number;
  tokensPerSecond: number;
  etaSeconds: number;
  /** The step was not applied: loss or gradient was not finite, or a spike (see `spikeThreshold`). */
  skipped: boolean;
}

export interface DoneEvent {
  type: "done";
  steps: number;
  /** `earlyStopping` ended it. */
  stoppedEarly: boolean;
  heldOut: { before: number | null; after: number | null };
  /** Lowest held-out loss that was measured. */
  best: { step: number; loss: number } | null;
  seconds: number;
  /** Largest resident memory of the process, and what was expected. */
  peakBytes: number;
  expectedBytes: number;
  files: Record<string, string>;
}
