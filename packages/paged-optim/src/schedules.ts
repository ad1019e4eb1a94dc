// Learning-rate schedules: pure functions of the number of steps already done, giving a factor for the learning rate.
// Same curves as the schedules of Hugging Face transformers. With warm-up the very first step (0) has factor 0.

/** Factor for the learning rate of step `step` = 0, 1, 2, … */
export type Schedule = (step: number) => number;

export interface WarmupOptions {
  /** Steps over which the factor grows linearly from 0 to 1. Default 0. */
  warmup?: number;
}
export interface DecayOptions extends WarmupOptions {
  /** Steps in all, warm-up included; the factor stays at `min` after them. */
  total: number;
  /** The factor at the end, in [0, 1]. Default 0. */
  min?: number;
}
export interface WsdOptions extends DecayOptions {
  /** Steps of the last phase. */
  decay: number;
  /** Its curve; "sqrt" is 1 − √progress. Default "linear". */
  shape?: "linear" | "cosine" | "sqrt";
}

const curves = {
  linear: (x: number) => 1 - x,
  cosine: (x: number) => 0.5 * (1 + Math.cos(Math.PI * x)),
  sqrt: (x: number) => 1 - Math.sqrt(x),
};

/** 1, after warm-up. */
export function constant({ warmup = 0 }: WarmupOptions = {}): Schedule {
  count("warmup", warmup);
  return (step) => Math.min(1, warming(step, warmup));
}

/** Straight from 1 at the end of warm-up to `min` at `total`. */
export function linear(options: DecayOptions): Schedule {
  return wsd({ ...options, decay: options.total - (options.warmup ?? 0), shape: "linear" });
}

/** Half a cosine from 1 at the end of warm-up to `min` at `total`. */
export function cosine(options: DecayOptions): Schedule {
  return wsd({ ...options, decay: options.total - (options.warmup ?? 0), shape: "cosine" });
}

/** Warm-up, stable, decay (Hu et al. 2024, MiniCPM): 1 until the last `decay` steps, which go down to `min`. */
export function wsd({ warmup = 0, total, decay, min = 0, shape = "linear" }: WsdOptions): Schedule {
  count("warmup", warmup);
  count("total", total);
  if (warmup > total) throw new RangeError(`warmup (${warmup}) must be at most total (${total})`);
  count("decay", decay);
  if (warmup + decay > total)
    throw new RangeError(`warmup + decay (${warmup} + ${decay}) must be at most total (${total})`);
  if (!(min >= 0 && min <= 1)) throw new RangeError(`min must be in [0, 1], got ${min}`);
  const curve = curves[shape];
  if (!curve) throw new TypeError(`shape must be one of ${Object.keys(curves).join(", ")}, got ${shape}`);
  const start = total - decay;
  return (step) => {
    if (step < warmup) return warming(step, warmup);
    if (step < start) return 1;
    if (step >= total) return min;
    return min + (1 - min) * curve((step - start) / decay);
  };
}

function warming(step: number, warmup: number): number {
  return warmup > 0 ? step / warmup : 1;
}

function count(name: string, value: number): void {
  if (!(Number.isSafeInteger(value) && value >= 0))
    throw new RangeError(`${name} must be a whole number of steps ≥ 0, got ${value}`);
}
