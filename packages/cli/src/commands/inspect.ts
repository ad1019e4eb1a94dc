// qlora inspect: what is in a checkpoint, an adapter or a run folder, bytes by part; or a few examples of a dataset, masks shown.
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { encodeDataset, loadTokenizer, readDataset, renderReport, renderSequence } from "@qlora/data";
import { readPeftAdapter } from "@qlora/lora";
import { type Checkpoint, openCheckpoint } from "@qlora/safetensors";
import { checkpointSteps, estimateMemory, trainSchema } from "@qlora/trainer";
import { modelParameters, readModelConfig } from "@qlora/transformer";
import { z } from "zod";
import { UsageError } from "../arguments.js";
import { command, result, table } from "../command.js";
import { byteSize } from "../progress.js";

type Report = { json: Record<string, unknown>; text: string };

const { template, maxLength, trainOnSource, dataFormat } = trainSchema.shape;

export const inspectCommand = command({
  name: "inspect",
  summary: "what is in a checkpoint, an adapter, a run folder or a dataset",
  schema: z.strictObject({
    path: z.string().optional().describe("a model, an adapter, a run folder or a .safetensors file"),
    data: z.string().optional().describe("a dataset: shows examples with masked tokens marked"),
    model: z.string().optional().describe("with --data: the model whose tokenizer and template to use"),
    examples: z.number().int().positive().default(3).describe("with --data: how many to show"),
    dataFormat,
    template,
    maxLength,
    trainOnSource,
    tensors: z.boolean().default(false).describe("list every tensor"),
    json: z.boolean().default(false).describe("one JSON object on stdout"),
  }),
  positionals: ["path"],
  examples: ["qlora inspect my-model", "qlora inspect runs/mine", "qlora inspect --data alpaca.json --model my-model"],
  run(options) {
    const { path, data, json } = options;
    if ((path === undefined) === (data === undefined)) throw new UsageError("give a path, or --data FILE");
    const report = data === undefined ? inspectPath(path!, options.tensors) : inspectData({ ...options, data });
    result(json, report.json, report.text);
  },
});

function inspectPath(path: string, tensors: boolean): Report {
  if (!existsSync(path)) throw new Error(`${path} does not exist`);
  const holds = (name: string) => existsSync(join(path, name));
  if (holds("log.jsonl")) return inspectRun(path);
  if (holds("adapter_config.json")) return inspectAdapter(path);
  using checkpoint = openCheckpoint(path);
  return inspectModel(path, checkpoint, tensors);
}

function inspectModel(path: string, checkpoint: Checkpoint, list: boolean): Report {
  const parts = new Map<string, { tensors: number; bytes: number }>();
  const dtypes = new Map<string, number>();
  for (const { name, dtype, begin, end } of checkpoint.tensors.values()) {
    const part = parts.get(partOf(name)) ?? { tensors: 0, bytes: 0 };
    parts.set(partOf(name), { tensors: part.tensors + 1, bytes: part.bytes + end - begin });
    dtypes.set(dtype, (dtypes.get(dtype) ?? 0) + end - begin);
  }
  const config =
    statSync(path).isDirectory() && existsSync(join(path, "config.json")) ? readModelConfig(path) : undefined;
  const defaults = trainSchema.parse({ model: path, data: "-", output: "-" });
  const tokens = config ? Math.min(512, config.maxPositions) : 0;
  const training = config ? estimateMemory({ model: config, config: defaults, tokens }) : undefined;
  const bytes = [...parts.values()].reduce((sum, part) => sum + part.bytes, 0);
  const lines = [
    path,
    ...(config
      ? [
          `${config.architecture}, ${modelParameters(config).toLocaleString("en")} parameters: ${config.layers} layers, hidden ${config.hiddenSize}, ` +
            `${config.heads} heads (${config.kvHeads} for keys and values), MLP ${config.intermediateSize}, vocabulary ${config.vocabSize}, context ${config.maxPositions}`,
        ]
      : []),
    "",
    table([
      ...Array.from(parts, ([name, part]) => [name, `${part.tensors} tensors`, byteSize(part.bytes).padStart(9)]),
      ["total", `${checkpoint.tensors.size} tensors`, byteSize(bytes).padStart(9)],
    ]),
    "",
    `dtypes: ${Array.from(dtypes, ([dtype, size]) => `${dtype} ${byteSize(size)}`).join(", ")}`,
    ...(training
      ? [
          "",
          `Memory to train it by the default recipe (one sequence of ${tokens} tokens a pass), about ${byteSize(training.total)}:`,
          table(training.parts.map((part) => [`  ${part.name}`, byteSize(part.bytes).padStart(9), part.note])),
        ]
      : []),
    ...(list
      ? [
          "",
          table(
            Array.from(checkpoint.tensors.values(), ({ name, dtype, shape }) => [name, dtype, `[${shape.join(", ")}]`]),
          ),
        ]
      : []),
  ];
  const json = {
    kind: "model",
    path,
    config,
    bytes,
    parts: Object.fromEntries(parts),
    dtypes: Object.fromEntries(dtypes),
    training,
  };
  return { json, text: lines.join("\n") };
}

/** Which part of a model a tensor belongs to. */
function partOf(name: string): string {
  if (name.startsWith("model.embed_tokens")) return "embedding";
  if (name.startsWith("lm_head")) return "head";
  if (/norm\.weight$/.test(name)) return "norms";
  if (/\.(absmax|nested_absmax|quant_map|nested_quant_map)$|\.quant_state\./.test(name)) return "scales and maps";
  if (name.includes(".self_attn.")) return "attention";
  if (name.includes(".mlp.")) return "MLP";
  return "other";
}

function inspectAdapter(path: string): Report {
  const { adapters, config } = readPeftAdapter(path);
  const parameters = [...adapters.values()].reduce((sum, { a, b }) => sum + a.length + b.length, 0);
  const kinds = new Map<string, number>();
  for (const name of adapters.keys()) kinds.set(name.split(".").at(-1)!, (kinds.get(name.split(".").at(-1)!) ?? 0) + 1);
  const text = [
    `${path}: LoRA adapter for ${config.baseModel ?? "an unnamed base"}`,
    table([
      ["rank", String(config.r)],
      ["alpha", String(config.alpha)],
      ["dropout", String(config.dropout ?? 0)],
      ["modules", Array.from(kinds, ([name, count]) => `${name} × ${count}`).join(", ")],
      ["parameters", parameters.toLocaleString("en")],
    ]),
  ].join("\n");
  return { json: { kind: "adapter", path, config, modules: [...adapters.keys()], parameters }, text };
}

function inspectRun(path: string): Report {
  const entries = readFileSync(join(path, "log.jsonl"), "utf8")
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as { step: number; loss?: number; heldOutLoss?: number });
  const heldOut = entries.filter((entry) => entry.heldOutLoss !== undefined);
  const steps = entries.filter((entry) => entry.loss !== undefined);
  const checkpoints = checkpointSteps(join(path, "checkpoints"));
  const files = readdirSync(path, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const bytes = files.reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);
  const json = {
    kind: "run",
    path,
    steps: steps.at(-1)?.step ?? 0,
    loss: steps.at(-1)?.loss,
    heldOut: heldOut.map(({ step, heldOutLoss }) => ({ step, loss: heldOutLoss })),
    checkpoints,
    bytes,
  };
  const text = [
    `${path}: ${json.steps} steps, ${byteSize(bytes)} in ${files.length} files`,
    table([
      ["last loss", json.loss?.toFixed(4) ?? "none"],
      [
        "held-out loss",
        heldOut.map(({ step, heldOutLoss }) => `${Number(heldOutLoss).toFixed(4)} (step ${step})`).join(" → ") ||
          "not measured",
      ],
      ["checkpoints", checkpoints.map((step) => `step-${step}`).join(", ") || "none"],
    ]),
  ].join("\n");
  return { json, text };
}

function inspectData(options: {
  data: string;
  model?: string | undefined;
  examples: number;
  dataFormat: z.output<typeof dataFormat>;
  template: string;
  maxLength: number;
  trainOnSource: boolean;
}): Report {
  const { data, model, examples: show, dataFormat: format, ...encoding } = options;
  if (model === undefined) throw new UsageError("--data needs --model DIR, whose tokenizer and template it uses");
  const tokenizer = loadTokenizer(model);
  const { examples, report } = encodeDataset(readDataset(data, { format }), tokenizer, encoding);
  const shown = examples.slice(0, show);
  const text = [
    ...shown.flatMap((sequence, i) => [
      `── example ${i + 1}: ${sequence.ids.length} tokens`,
      renderSequence(sequence, tokenizer),
      "",
    ]),
    renderReport(report),
  ].join("\n");
  const plain = shown.map((sequence) => renderSequence(sequence, tokenizer, { color: false }));
  return { json: { kind: "data", path: data, report, examples: plain }, text };
}
