// Adapters on a model: new ones to train, or an existing PEFT folder to use; and writing down what was trained.
import { readdirSync, rmSync } from "node:fs";
import { createAdapter, type LoraConfig, readPeftAdapter, resolveTargets, writePeftAdapter } from "@qlora/lora";
import { adapters, linears, type Model, placeAdapter, saveModel, trainEverything } from "@qlora/transformer";
import type { RunFolder } from "./run-folder.js";
import type { TrainConfig } from "./schema.js";

/** The adapter configuration of a run, as it goes into adapter_config.json. */
export function loraConfig(config: TrainConfig): LoraConfig {
  const { loraTargetModules: targets } = config;
  return {
    r: config.loraR,
    alpha: config.loraAlpha,
    dropout: config.loraDropout,
    rslora: config.rslora,
    targetModules: targets === "all-linear" ? targets : targets.split(",").map((name) => name.trim()),
    baseModel: config.model,
  };
}

/** Makes the model trainable: new adapters, or every weight with method "full". @throws {LoraError} for an unknown target */
export function makeTrainable(model: Model, config: TrainConfig): void {
  if (config.method === "full") {
    trainEverything(model);
    return;
  }
  const { r, alpha, rslora = false, targetModules } = loraConfig(config);
  const all = new Map(Array.from(linears(model), (linear) => [linear.name, linear]));
  for (const name of resolveTargets(all.keys(), { targetModules })) {
    const linear = all.get(name)!;
    const { n: outFeatures, k: inFeatures } = linear.weight;
    const adapter = createAdapter({ inFeatures, outFeatures, r, alpha, rslora, seed: config.seed, name });
    linear.adapter = placeAdapter(adapter, model.device);
  }
}

/** Puts a PEFT adapter on a model; what it was made for must be there with the same shapes. Returns its warnings. */
export function attachAdapter(model: Model, dir: string, options: { trainable?: boolean } = {}): string[] {
  const all = new Map(Array.from(linears(model), (linear) => [linear.name, linear]));
  const modules = new Map(
    Array.from(all, ([name, { weight }]) => [name, { inFeatures: weight.k, outFeatures: weight.n }]),
  );
  const { adapters: read, warnings } = readPeftAdapter(dir, { modules, trainable: options.trainable ?? false });
  for (const [name, adapter] of read) all.get(name)!.adapter = placeAdapter(adapter, model.device);
  return warnings;
}

/** Writes the trained adapter into the run's folder, or with method "full" the model into `model/`. Returns what was written. */
export function saveTrained(model: Model, config: TrainConfig, folder: RunFolder): Record<string, string> {
  if (config.method === "full") {
    // A run that was interrupted while it finished, or is finished again, replaces what it wrote.
    for (const name of readdirSync(folder.path))
      if (/^model(\.tmp-\d+)?$/.test(name)) rmSync(folder.file(name), { recursive: true });
    saveModel(model, config.model, folder.file("model"), "F32");
    return { model: folder.file("model") };
  }
  writePeftAdapter(folder.path, adapters(model), loraConfig(config));
  return { adapter: folder.file("adapter_model.safetensors"), "adapter config": folder.file("adapter_config.json") };
}

/** Writes the adapter, where there is one, into a folder of its own. */
export function saveBest(model: Model, config: TrainConfig, dir: string): void {
  if (config.method !== "full") writePeftAdapter(dir, adapters(model), loraConfig(config));
}
