// What optimisers work on and what they answer.
import type { DeviceArray } from "@qlora/cuda-runtime";

/** Something that trains. `grad` is read at every step; it belongs to the caller, who also sets it to zero again. */
export interface Parameter {
  /** Unique within an optimiser; the prefix of its state's names. */
  readonly name: string;
  /** [n], f32 or bf16 (the upper halves of f32), updated in place; on the host, or on the device of all parameters. */
  readonly data: Float32Array | Uint16Array | DeviceArray;
  /** [n], f32, of the loss with respect to `data`, where that is. */
  readonly grad: Float32Array | DeviceArray;
}

/** How bf16 parameters are kept: with f32 weights behind them in the state, or rounded stochastically and nothing else. */
export type Bf16Mode = "master" | "stochastic";

/** What every optimiser takes, and what a group may set for its own parameters. */
export interface CommonOptions {
  /** Learning rate ≥ 0. In a group: kept in the same ratio to the optimiser's when `step` is given another. */
  lr?: number;
  /** Weight decay ≥ 0, default 0. AdamW, Lion, AdEMAMix: decoupled, p *= 1 − lr·decay before the update. Adam, SGD: g += decay·p. */
  weightDecay?: number;
  /** Of the states: 32, or 8 (blockwise, 256 elements a block) for parameters of at least 4096 elements. Default 32. */
  bits?: 32 | 8;
  /** Required when a parameter is bf16. */
  bf16?: Bf16Mode;
}

export type Group<O> = O & { readonly parameters: readonly Parameter[] };

export interface StepOptions {
  /** The optimiser's learning rate for this step (default: that of its options). Groups with one of their own keep the ratio. */
  lr?: number;
  /** Multiplies every gradient as it is read: 1 / (loss scale · accumulated micro-batches). Default 1. */
  gradScale?: number;
  /** Gradients, scaled, are shortened to this global L2 norm; costs no further pass. Default: no clipping. */
  maxNorm?: number;
  /** The global norm of the unscaled gradients when `gradNorm` has just computed it; else one read of the gradients finds it. */
  gradNorm?: number;
}

export interface StepResult {
  /** False when a gradient was not finite: nothing was changed then, the step count included. */
  applied: boolean;
  /** Global L2 norm of the gradients after `gradScale`, before clipping. */
  gradNorm: number;
  /** What clipping multiplied the gradients with: 1 when it did nothing. */
  clip: number;
  /** The first parameter whose gradient is not finite. */
  nonFinite?: string;
}

/** One array of an optimiser's state, as `writeSafetensors` of @qlora/safetensors takes it. */
export interface StateTensor {
  name: string;
  dtype: "F32" | "U8";
  shape: number[];
  /** A copy, at the beginning of `into` where that is given. Called one after another, in order, they need no more memory than the largest. */
  data: (into?: ArrayBuffer) => Float32Array | Uint8Array;
}

export interface StateDict {
  algorithm: string;
  /** Steps applied so far. */
  step: number;
  tensors: { get(name: string): ArrayBufferView | undefined };
}
