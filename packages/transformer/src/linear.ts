// A group of linear layers that read the same input (q, k, v; gate, up; o; down), with their adapters.
//
//   y_i = x·W_iᵀ + s_i·(drop(x)·A_iᵀ)·B_iᵀ        one dropout mask per input, recomputed from a counter, never stored
import { type Adapter, keptSize, type LoraOptions, loraBackward, loraForward, scratchSize } from "@qlora/lora";
import type { Floats } from "./device.js";
import type { Linear } from "./model.js";
import { type Arithmetic, accumulateGradient, matmul, matmulTransposed } from "./weight.js";
import type { Workspace } from "./workspace.js";

/** Dropout on the adapters' input, of a whole pass. */
export interface Dropout {
  p: number;
  seed: bigint;
}

/** Where in a pass it is applied: the mask is a function of seed, layer, site, token and column alone. */
export interface DropoutAt extends Dropout {
  layer: number;
  /** First token of this part of the batch. */
  token: number;
}

export const noDropout: DropoutAt = { p: 0, seed: 0n, layer: 0, token: 0 };

interface Group {
  x: Floats;
  linears: Linear[];
  tokens: number;
  /** Which input of the block this is (0 attention, 1 output, 2 MLP, 3 down): part of the dropout counter. */
  site: number;
  compute: Arithmetic;
  dropout: DropoutAt;
  /** Holds x·Aᵀ of every adapter between forward and backward. */
  keep: Workspace;
  scratch: Workspace;
}

/** Forward of the group; an output that is null is not computed (its adapter's x·Aᵀ still is). */
export function project(group: Group & { outputs: (Floats | null)[] }): void {
  const { x, linears, outputs, tokens: m, compute, scratch } = group;
  linears.forEach(({ weight }, i) => {
    const y = outputs[i];
    if (y) matmul(x, weight, y, m, { compute, scratch });
  });
  const adapted = linears.flatMap(({ adapter }, i) => (adapter ? [{ adapter, y: outputs[i] ?? null }] : []));
  if (adapted.length === 0) return;
  const adapters = adapted.map(({ adapter }) => adapter);
  loraForward(
    x,
    adapters,
    adapted.map(({ y }) => y),
    kept(group, adapters),
    options(group, adapters, false),
  );
}

/** Backward of the group: dx [m, k] is overwritten with dL/dx; gradients of adapters and trainable weights accumulate. */
export function projectBackward(group: Group & { gradients: Floats[]; dx: Floats }): void {
  const { x, linears, gradients, dx, tokens: m, compute, scratch } = group;
  linears.forEach(({ weight }, i) => {
    matmulTransposed(gradients[i]!, weight, dx, m, { compute, accumulate: i > 0, scratch });
    accumulateGradient(gradients[i]!, x, weight, m);
  });
  const adapted = linears.flatMap(({ adapter }, i) => (adapter ? [{ adapter, dy: gradients[i]! }] : []));
  if (adapted.length === 0) return;
  const adapters = adapted.map(({ adapter }) => adapter);
  loraBackward(
    adapted.map(({ dy }) => dy),
    x,
    adapters,
    kept(group, adapters),
    dx,
    options(group, adapters, true),
  );
}

/** x·Aᵀ of the group's adapters, held between forward and backward. */
function kept({ keep, site, tokens }: Group, adapters: Adapter<Floats>[]): Floats {
  return keep.activations(`xa ${site}`, keptSize(adapters, tokens));
}

/** Every site of every layer has its own 2^40 elements of the dropout seed's stream. */
function options(
  { x, tokens: m, dropout: { p, seed, layer, token }, site, scratch }: Group,
  adapters: Adapter<Floats>[],
  backward: boolean,
): LoraOptions {
  const dropout = p > 0 ? { p, seed, offset: (layer * 4 + site) * 2 ** 40 + token * (x.length / m) } : undefined;
  return { m, dropout, scratch: scratch.activations("lora", scratchSize(adapters, { m, dropout, backward })) };
}
