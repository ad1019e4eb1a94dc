// Files of a few bytes, or a few hundred megabytes, that would take all the time or memory there is.
import { closeSync, ftruncateSync, openSync } from "node:fs";
import { join } from "node:path";
import { adapters } from "./adapter.js";
import { type Cause, cause, type Format, safetensors } from "./bad-file.js";
import { checkpoints, configurations } from "./checkpoint.js";
import { datasets } from "./dataset.js";
import { configs } from "./model.js";
import { safetensorsFiles } from "./safetensors.js";
import { templates, tokenizers } from "./tokenizer.js";

export interface Bomb {
  format: Format;
  cause: Cause;
  /** A file that is made this long, of zeros, after the others have been written. */
  grow?: { name: string; bytes: number };
}

const deep = (n: number) => `${"[".repeat(n)}${"]".repeat(n)}`;
const header = (n: number) =>
  `{${Array.from({ length: n }, (_, i) => `"${i}":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}`)}}`;
const levels = Array.from({ length: 12 }, (_, i) => `a${i + 1}: &a${i + 1} [${Array(9).fill(`*a${i}`)}]`);
const bomb = (format: Format, code: string, files: ReturnType<Cause["make"]>, grow?: Bomb["grow"]): Bomb => ({
  format,
  cause: cause(code, 1, () => files),
  ...(grow ? { grow } : {}),
});
/** Evil patterns as many as fit. */
const patterns = Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`(a+)+${i}$`, 2]));

export const bombs: readonly Bomb[] = [
  bomb(
    safetensorsFiles,
    "HEADER_TOO_LARGE",
    { "model.safetensors": safetensors("{}", 0, 100_000_000n) },
    { name: "model.safetensors", bytes: 120_000_000 },
  ),
  bomb(safetensorsFiles, "TOO_MANY_TENSORS", { "model.safetensors": safetensors(header(200_001)) }),
  bomb(safetensorsFiles, "NOT_OBJECT", { "model.safetensors": safetensors(`{"t":${deep(1e6)}}`) }),
  bomb(configs, "CONFIG_JSON", { "config.json": "" }, { name: "config.json", bytes: 2 ** 31 }),
  bomb(configs, "FIELD_RANGE", {
    "config.json": JSON.stringify({
      architectures: ["LlamaForCausalLM"],
      hidden_size: 4,
      intermediate_size: 4,
      num_hidden_layers: 2 ** 30,
      num_attention_heads: 1,
      vocab_size: 4,
      max_position_embeddings: 4,
    }),
  }),
  bomb(configs, "ARCH_UNSUPPORTED", { "config.json": `{"architectures":[${deep(1e5)}]}` }),
  bomb(tokenizers, "FILE_TOO_LARGE", { "tokenizer.json": "" }, { name: "tokenizer.json", bytes: 2 ** 31 }),
  bomb(tokenizers, "TOKENIZER", {
    "tokenizer.json": `{"model":{"type":"BPE","vocab":{"a":0},"merges":[]},"normalizer":${deep(1e5)}}`,
  }),
  bomb(templates, "TEMPLATE_BUDGET", templates.causes.find(({ code }) => code === "TEMPLATE_BUDGET")!.make(0)),
  bomb(datasets, "FIELD_TYPE", { data: `{"text":${deep(1500)}}` }),
  bomb(datasets, "LINE_TOO_LONG", { data: `{"text":"` }, { name: "data", bytes: 2 ** 31 }),
  bomb(adapters, "JSON", { "adapter_config.json": "" }, { name: "adapter_config.json", bytes: 2 ** 31 }),
  bomb(adapters, "PATTERN", {
    ...adapters.causes.find(({ code }) => code === "PATTERN")!.make(0),
    "adapter_config.json": JSON.stringify({ peft_type: "LORA", r: 2, rank_pattern: patterns }),
  }),
  bomb(
    checkpoints,
    "CHECKPOINT_DAMAGED",
    { "step-1/manifest.json": "" },
    { name: "step-1/manifest.json", bytes: 2 ** 31 },
  ),
  bomb(configurations, "ConfigError", { "config.yaml": ["a0: &a0 x", ...levels].join("\n") }),
  bomb(configurations, "ConfigError", { "config.yaml": "" }, { name: "config.yaml", bytes: 2 ** 31 }),
  bomb(configurations, "ConfigError", { "config.yaml": `model: ${deep(1e5)}` }),
];

export function grow(dir: string, { name, bytes }: { name: string; bytes: number }): void {
  const fd = openSync(join(dir, name), "r+");
  ftruncateSync(fd, bytes);
  closeSync(fd);
}
