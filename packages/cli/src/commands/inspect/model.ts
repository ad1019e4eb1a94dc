// A checkpoint: its shape, its bytes by part and by dtype, and the memory to train it.
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Checkpoint } from "@qlora/safetensors";
import { estimateMemory, trainSchema } from "@qlora/trainer";
import { type ModelConfig, modelParameters, readModelConfig } from "@qlora/transformer";
import { table } from "../../terminal.js";
import { byteSize, grouped } from "../../units.js";
import type { Report } from "./report.js";

export function inspectModel(path: string, checkpoint: Checkpoint, list: boolean): Report {
  const parts = new Map<string, { tensors: number; bytes: number }>();
  const dtypes = new Map<string, number>();
  for (const { name, dtype, begin, end } of checkpoint.tensors.values()) {
    const part = parts.get(partOf(name)) ?? { tensors: 0, bytes: 0 };
    parts.set(partOf(name), { tensors: part.tensors + 1, bytes: part.bytes + end - begin });
    dtypes.set(dtype, (dtypes.get(dtype) ?? 0) + end - begin);
  }
  const isModel = statSync(path).isDirectory() && existsSync(join(path, "config.json"));
  const config = isModel ? readModelConfig(path) : undefined;
  const training = config && trainingMemory(config);
  const bytes = [...parts.values()].reduce((sum, part) => sum + part.bytes, 0);
  const count = (n: number) => `${n} tensor${n === 1 ? "" : "s"}`;
  const lines = [
    path,
    ...(config ? shapeLines(config) : []),
    "",
    table([
      ...Array.from(parts, ([name, part]) => [name, count(part.tensors), byteSize(part.bytes).padStart(9)]),
      ["total", count(checkpoint.tensors.size), byteSize(bytes).padStart(9)],
    ]),
    "",
    `dtypes: ${Array.from(dtypes, ([dtype, size]) => `${dtype} ${byteSize(size)}`).join(", ")}`,
    ...checkpoint.warnings.map((warning) => `Warning: ${warning}`),
    ...(training ? ["", ...memoryLines(training)] : []),
    ...(list ? ["", tensorTable(checkpoint)] : []),
  ];
  const tensors = list
    ? { tensors: Array.from(checkpoint.tensors.values(), ({ name, dtype, shape }) => ({ name, dtype, shape })) }
    : {};
  const json = {
    kind: "model",
    path,
    config,
    parameters: config && modelParameters(config),
    bytes,
    parts: Object.fromEntries(parts),
    dtypes: Object.fromEntries(dtypes),
    training,
    ...tensors,
  };
  return { json, text: lines.join("\n") };
}

/** By the default recipe: one sequence of the default length a pass. */
function trainingMemory(model: ModelConfig) {
  const config = trainSchema.parse({ model: "-", data: "-", output: "-" });
  const tokens = Math.min(config.maxLength, model.maxPositions);
  return { tokens, ...estimateMemory({ model, config, tokens }) };
}

function shapeLines(config: ModelConfig): string[] {
  return [
    `${config.architecture}, ${grouped(modelParameters(config))} parameters`,
    `${config.layers} layers, hidden ${config.hiddenSize}, ${config.heads} heads (${config.kvHeads} for keys and values), MLP ${config.intermediateSize}`,
    `vocabulary ${config.vocabSize}, context ${config.maxPositions}, ${config.tiedHead ? "head tied to the embedding" : "head of its own"}`,
  ];
}

function memoryLines({ tokens, parts, total }: ReturnType<typeof trainingMemory>): string[] {
  return [
    `Memory to train it by the default recipe, ${tokens} tokens a pass: ${byteSize(total)}`,
    table(parts.map((part) => [`  ${part.name}`, byteSize(part.bytes).padStart(9), part.note])),
  ];
}

function tensorTable(checkpoint: Checkpoint): string {
  return table(
    Array.from(checkpoint.tensors.values(), ({ name, dtype, shape }) => [name, dtype, `[${shape.join(", ")}]`]),
  );
}

/** Which part of a model a tensor belongs to. */
function partOf(name: string): string {
  if (/\.(absmax|nested_absmax|quant_map|nested_quant_map)$|\.quant_state\./.test(name)) return "scales and maps";
  if (name.startsWith("model.embed_tokens")) return "embedding";
  if (name.startsWith("lm_head")) return "head";
  if (/norm\.weight$/.test(name)) return "norms";
  if (name.includes(".self_attn.")) return "attention";
  if (name.includes(".mlp.")) return "MLP";
  return "other";
}
