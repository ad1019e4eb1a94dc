// A model with an adapter on every linear layer whose B is not zero, so that it does something.
import { createAdapter } from "@qlora/lora";
import { linears, type Model, placeAdapter } from "../src/index.js";
import { normals } from "./random.js";

/** Adapters of rank r, alpha 2r, B from N(0, std²); the same model and options give the same bits. */
export function adapted(model: Model, { r = 4, std = 0.1 } = {}): Model {
  const random = normals(3);
  for (const linear of linears(model)) {
    const { n: outFeatures, k: inFeatures } = linear.weight;
    const adapter = createAdapter({ inFeatures, outFeatures, r, alpha: 2 * r, seed: 5, name: linear.name });
    for (let i = 0; i < adapter.b.length; i++) adapter.b[i] = std * random();
    linear.adapter = placeAdapter(adapter, model.device);
  }
  return model;
}
