// A block whose 4-bit weights are decoded on their device, all seven at once: two decodings a step (forward; recomputation and
// backward together) in place of three, for the memory of one block in bf16.
import * as nf4 from "@qlora/nf4";
import { type Layer, type Linear, linearKeys } from "./model.js";
import type { Workspace } from "./workspace.js";

/** Layers with decoded weights, one at a time: a layer is valid until another one is asked for. */
export class DecodedLayers {
  private last: { layer: Layer; decoded: Layer } | undefined;

  constructor(private readonly weights: Workspace) {}

  /** For a pass over `tokens`; the layer itself where too few gain, or where it has no 4-bit weights on a device. */
  of(layer: Layer, tokens: number): Layer {
    const { device } = this.weights;
    if (device === "cpu" || tokens < nf4.denseRows(device)) return layer;
    if (this.last?.layer !== layer) {
      const linears = linearKeys.map((key) => [key, this.decode(key, layer[key])] as const);
      this.last = { layer, decoded: { ...layer, ...Object.fromEntries(linears) } };
    }
    return this.last.decoded;
  }

  private decode(key: string, linear: Linear): Linear {
    const { weight } = linear;
    if (weight.kind !== "4bit" || !("device" in weight.data)) return linear;
    const decoded = this.weights.weight(`weight ${key}`, weight.n * weight.k);
    nf4.dequantize(weight.data, { out: decoded });
    return { ...linear, weight: { ...weight, decoded } };
  }
}
