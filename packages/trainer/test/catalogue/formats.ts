// Every format of the catalogue.
import { adapters } from "./adapter.js";
import type { Format } from "./bad-file.js";
import { checkpoints, configurations } from "./checkpoint.js";
import { datasets } from "./dataset.js";
import { configs, models } from "./model.js";
import { safetensorsFiles, shardIndexes } from "./safetensors.js";
import { templates, tokenizers } from "./tokenizer.js";

export const formats: readonly Format[] = [
  safetensorsFiles,
  shardIndexes,
  configs,
  models,
  tokenizers,
  templates,
  datasets,
  adapters,
  checkpoints,
  configurations,
];
