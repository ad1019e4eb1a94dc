// A low-rank adapter: two small matrices beside a frozen linear layer, y = x·Wᵀ + s·(x·Aᵀ)·Bᵀ (Hu et al. 2021).
import type { Floats } from "@qlora/kernels";
import { fillNormal, fillUniform, streamOf } from "./philox.js";

/** All arrays are float32, row-major: typed arrays, or arrays of one device. */
export interface Adapter<A extends Floats = Float32Array> {
  readonly inFeatures: number;
  readonly outFeatures: number;
  readonly r: number;
  readonly alpha: number;
  /** s = alpha / r, or alpha / √r (rsLoRA, Kalajdzievski 2023). */
  readonly scaling: number;
  /** [r, inFeatures] */
  readonly a: A;
  /** [outFeatures, r] */
  readonly b: A;
  /** [r, inFeatures]; of length 0 while the adapter is not trained, see `zeroGradients`. */
  gradA: A;
  /** [outFeatures, r]; likewise. */
  gradB: A;
}

/**
 * How a new adapter begins. Both begin with B = 0, so that nothing changes before the first step.
 * true: A from kaiming_uniform(a = √5), that is U(-1/√in, 1/√in). "gaussian": A from N(0, 1/r²).
 */
export type Init = true | "gaussian";

export interface AdapterOptions {
  inFeatures: number;
  outFeatures: number;
  r: number;
  alpha: number;
  /** s = alpha / √r instead of alpha / r; false unless told. */
  rslora?: boolean;
  /** true unless told. */
  init?: Init;
  /** 64 bits. */
  seed: bigint | number;
  /** Path of the module. Adapters of one seed differ by their names and do not depend on the order they are made in. */
  name?: string;
}

/**
 * A new adapter with its gradients at zero.
 * The values are a function of seed and name: the seed is a Philox4x32-10 key, the 64-bit FNV-1a hash of the name selects the
 * stream, and element i of A is made from word i of it (`philox.ts`).
 * @throws {TypeError | RangeError} for sizes or alpha that are no adapter's
 */
export function createAdapter(options: AdapterOptions): Adapter {
  const { inFeatures, outFeatures, r, alpha, rslora = false, init = true, seed, name = "" } = options;
  for (const [key, value] of Object.entries({ inFeatures, outFeatures, r }))
    if (!Number.isSafeInteger(value) || value < 1)
      throw new RangeError(`${key} must be a whole number ≥ 1, got ${value}`);
  if (init !== true && init !== "gaussian") throw new TypeError(`init must be true or "gaussian", got ${init}`);
  const stream = { seed: seedBits(seed), stream: streamOf(name) };
  const a = new Float32Array(r * inFeatures);
  if (init === "gaussian") fillNormal(a, 1 / r, stream);
  else fillUniform(a, 1 / Math.sqrt(inFeatures), stream);
  const adapter = adapterOf({ inFeatures, outFeatures, r, alpha, rslora, a, b: new Float32Array(outFeatures * r) });
  zeroGradients(adapter);
  return adapter;
}

/** An adapter around matrices that exist, without gradients. */
export function adapterOf(parts: {
  inFeatures: number;
  outFeatures: number;
  r: number;
  alpha: number;
  rslora?: boolean;
  a: Float32Array;
  b: Float32Array;
}): Adapter {
  const { inFeatures, outFeatures, r, alpha, rslora = false, a, b } = parts;
  if (a.length !== r * inFeatures) throw new RangeError(`a must have ${r} × ${inFeatures} elements, got ${a.length}`);
  if (b.length !== outFeatures * r) throw new RangeError(`b must have ${outFeatures} × ${r} elements, got ${b.length}`);
  const none = new Float32Array(0);
  return { inFeatures, outFeatures, r, alpha, scaling: scaling(alpha, r, rslora), a, b, gradA: none, gradB: none };
}

/** alpha / r, or alpha / √r with rsLoRA. */
export function scaling(alpha: number, r: number, rslora = false): number {
  if (!Number.isFinite(alpha)) throw new RangeError(`alpha must be a finite number, got ${alpha}`);
  return rslora ? alpha / Math.sqrt(r) : alpha / r;
}

/** Sets the gradients to zero, and makes them where there are none. */
export function zeroGradients(adapter: Adapter): void {
  if (adapter.gradA.length === adapter.a.length) {
    adapter.gradA.fill(0);
    adapter.gradB.fill(0);
  } else {
    adapter.gradA = new Float32Array(adapter.a.length);
    adapter.gradB = new Float32Array(adapter.b.length);
  }
}

/** What an optimiser takes: each matrix with its gradient, named as in a PEFT file. */
export function parameters(path: string, adapter: Adapter): { name: string; data: Float32Array; grad: Float32Array }[] {
  return [
    { name: `${path}.lora_A.weight`, data: adapter.a, grad: adapter.gradA },
    { name: `${path}.lora_B.weight`, data: adapter.b, grad: adapter.gradB },
  ];
}

function seedBits(seed: bigint | number): bigint {
  if (typeof seed === "number" && !Number.isSafeInteger(seed))
    throw new RangeError(`seed must be a whole number or a bigint, got ${seed}`);
  return BigInt.asUintN(64, BigInt(seed));
}
