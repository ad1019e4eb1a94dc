// The rules: their states, defaults, and the numbers of step t (t = 1, 2, …). The arithmetic is in native/rules.h.
import type { Hyper } from "./hyper.js";
import { min8bit, segmentBytes } from "./layout.js";
import type { CommonOptions } from "./types.js";

export interface Rule<S> {
  name: string;
  /** Number in native/optim.h. */
  id: number;
  states: readonly { name: string; signed: boolean }[];
  defaults: S;
  hyper(settings: S, lr: number, t: number): Partial<Hyper>;
}

export type Settings<O> = Required<Omit<O, keyof CommonOptions>> & { lr: number; weightDecay: number };

export interface AdamOptions extends CommonOptions {
  /** Decay of the averages of g and g². Default [0.9, 0.999]. */
  betas?: readonly [number, number];
  /** Default 1e-8. */
  eps?: number;
}

export interface LionOptions extends CommonOptions {
  /** Weight of the momentum in the update, and its decay. Default [0.9, 0.99]. */
  betas?: readonly [number, number];
}

export interface AdEMAMixOptions extends CommonOptions {
  /** Decay of the fast average, of that of g², of the slow average. Default [0.9, 0.999, 0.9999]. */
  betas?: readonly [number, number, number];
  /** Weight of the slow average. Default 5. */
  alpha?: number;
  /** Steps over which alpha grows from 0 and β3 from β1 to their values. Default 0: at once. */
  warmup?: number;
  /** Default 1e-8. */
  eps?: number;
}

export interface SgdOptions extends CommonOptions {
  /** In [0, 1). Default 0.9. */
  momentum?: number;
  nesterov?: boolean;
}

const m = { name: "m", signed: true };
const v = { name: "v", signed: false };

function adamHyper(s: Settings<AdamOptions>, lr: number, t: number): Partial<Hyper> {
  const [b1, b2] = s.betas;
  return {
    rate: lr / (1 - b1 ** t),
    b1,
    c1: 1 - b1,
    b2,
    c2: 1 - b2,
    eps: s.eps,
    correct2: 1 / Math.sqrt(1 - b2 ** t),
  };
}

export const adam: Rule<Settings<AdamOptions>> = {
  name: "adam",
  id: 0,
  states: [m, v],
  defaults: { lr: 1e-3, weightDecay: 0, betas: [0.9, 0.999], eps: 1e-8 },
  hyper: (s, lr, t) => ({ ...adamHyper(s, lr, t), l2: s.weightDecay }),
};

export const adamw: Rule<Settings<AdamOptions>> = {
  ...adam,
  name: "adamw",
  hyper: (s, lr, t) => ({ ...adamHyper(s, lr, t), decay: 1 - lr * s.weightDecay }),
};

export const lion: Rule<Settings<LionOptions>> = {
  name: "lion",
  id: 1,
  states: [m],
  defaults: { lr: 1e-4, weightDecay: 0, betas: [0.9, 0.99] },
  hyper: ({ betas: [b1, b2], weightDecay }, lr) => ({
    rate: lr,
    decay: 1 - lr * weightDecay,
    b1,
    c1: 1 - b1,
    b2,
    c2: 1 - b2,
  }),
};

export const ademamix: Rule<Settings<AdEMAMixOptions>> = {
  name: "ademamix",
  id: 2,
  states: [{ name: "m1", signed: true }, { name: "m2", signed: true }, v],
  defaults: { lr: 1e-3, weightDecay: 0, betas: [0.9, 0.999, 0.9999], alpha: 5, warmup: 0, eps: 1e-8 },
  hyper(s, lr, t) {
    const [b1, b2, last] = s.betas;
    const done = s.warmup > 0 ? Math.min(t / s.warmup, 1) : 1;
    const b3 = done < 1 ? slowBeta(b1, last, done) : last;
    return {
      rate: lr,
      decay: 1 - lr * s.weightDecay,
      b1,
      c1: 1 - b1,
      b2,
      c2: 1 - b2,
      b3,
      c3: 1 - b3,
      alpha: done * s.alpha,
      eps: s.eps,
      correct1: 1 / (1 - b1 ** t),
      correct2: 1 / Math.sqrt(1 - b2 ** t),
    };
  },
};

/** β3 on its way from β1: linear in 1 / ln β, so that the half-life grows evenly (AdEMAMix, section 3, "Tackling instabilities"). */
function slowBeta(first: number, last: number, done: number): number {
  if (first === 0) return last;
  const a = Math.log(first);
  const b = Math.log(last);
  return Math.min(Math.exp((a * b) / ((1 - done) * b + done * a)), last);
}

export const sgd: Rule<Settings<SgdOptions>> = {
  name: "sgd",
  id: 3,
  states: [{ name: "momentum", signed: true }],
  defaults: { lr: 1e-3, weightDecay: 0, momentum: 0.9, nesterov: false },
  hyper: (s, lr) => ({ rate: lr, l2: s.weightDecay, b1: s.momentum, nesterov: s.nesterov ? 1 : 0 }),
};

const all = { AdamW: adamw, Adam: adam, Lion: lion, AdEMAMix: ademamix, Sgd: sgd };

/** Bytes of the state of a parameter with `elements` elements; `master` for bf16 with f32 weights behind it. */
export function stateBytes(
  optimizer: keyof typeof all,
  elements: number,
  { bits = 32, master = false }: { bits?: 32 | 8; master?: boolean } = {},
): number {
  return segmentBytes({ states: all[optimizer].states, bits: elements < min8bit ? 32 : bits, master }, elements);
}
