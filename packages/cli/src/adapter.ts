// A PEFT adapter for a base model, checked against the shapes in its config.json before any weight is read.
import { type Adapters, readPeftAdapter } from "@qlora/lora";
import { linearKeys, linearName, linearShape, type ModelConfig } from "@qlora/transformer";
import { say } from "./terminal.js";

/** @throws {LoraError} for an adapter that is damaged, or belongs to another model */
export function readAdapter(dir: string, base: ModelConfig): Adapters {
  const modules = new Map<string, { inFeatures: number; outFeatures: number }>();
  for (let layer = 0; layer < base.layers; layer++)
    for (const key of linearKeys) {
      const [outFeatures, inFeatures] = linearShape(base, key);
      modules.set(linearName(layer, key), { inFeatures, outFeatures });
    }
  const { adapters, warnings } = readPeftAdapter(dir, { modules });
  for (const warning of warnings) say(`Warning: ${warning}`);
  return adapters;
}
