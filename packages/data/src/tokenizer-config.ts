// What the small files beside tokenizer.json say: special tokens and chat templates. add_bos_token and add_eos_token are
// not read: as in transformers 5, the post-processor in tokenizer.json alone decides what goes around a text.
// Precedence per item: tokenizer_config.json, special_tokens_map.json, then ids in config.json / generation_config.json.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { DataError, show } from "./errors.js";
import { readJson, readText } from "./files.js";

const MAX_BYTES = 32 * 2 ** 20;
export const MAX_TEMPLATE_CHARS = 65_536;

export type SpecialName = "bos" | "eos" | "pad" | "unk";

export interface TokenizerConfig {
  /** Text of a special token, or its id where only config.json names it. */
  special: Partial<Record<SpecialName, string | number>>;
  /** Jinja source by name; "default" is the one used. */
  chatTemplates: Map<string, string>;
  /** Every id that generation_config.json or config.json lists as an end of sequence. */
  eosIds: number[];
  modelMaxLength: number | undefined;
}

type Fields = Record<string, unknown>;

function objectFrom(path: string): Fields {
  const value = readJson(path, { maxBytes: MAX_BYTES, optional: true }) ?? {};
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new DataError("NOT_OBJECT", "not a JSON object", { path });
  }
  return value as Fields;
}

// "…" or {"content": "…", …} (how AddedToken is saved); null and absent are the same.
function tokenText(value: unknown, field: string, path: string): string | undefined {
  if (value === undefined || value === null) return undefined;
  const text = typeof value === "object" ? (value as Fields).content : value;
  if (typeof text !== "string" || text === "") {
    throw new DataError("FIELD_TYPE", `"${field}" is ${show(value)}, expected a token`, { path });
  }
  return text;
}

/** Reads what stands beside tokenizer.json in a model folder; every one of the files may be missing. */
export function readTokenizerConfig(dir: string): TokenizerConfig {
  const configPath = join(dir, "tokenizer_config.json");
  const mapPath = join(dir, "special_tokens_map.json");
  const config = objectFrom(configPath);
  const map = objectFrom(mapPath);
  const model = objectFrom(join(dir, "config.json"));
  const generation = objectFrom(join(dir, "generation_config.json"));

  const special: TokenizerConfig["special"] = {};
  for (const name of ["bos", "eos", "pad", "unk"] as const) {
    const field = `${name}_token`;
    const text = tokenText(config[field], field, configPath) ?? tokenText(map[field], field, mapPath);
    const id = firstId(model[`${field}_id`]) ?? firstId(generation[`${field}_id`]);
    const value = text ?? id;
    if (value !== undefined) special[name] = value;
  }
  const eosIds = [...new Set([...idList(model.eos_token_id), ...idList(generation.eos_token_id)])];
  const length = config.model_max_length;
  return {
    special,
    chatTemplates: chatTemplates(dir, config.chat_template, configPath),
    eosIds,
    modelMaxLength: typeof length === "number" && length > 0 && length < 1e9 ? length : undefined,
  };
}

function idList(value: unknown): number[] {
  return (Array.isArray(value) ? value : [value]).filter((x) => Number.isInteger(x) && x >= 0);
}

function firstId(value: unknown): number | undefined {
  return idList(value)[0];
}

// chat_template.jinja wins over tokenizer_config.json, as in transformers; there: a string or [{name, template}, …].
function chatTemplates(dir: string, value: unknown, path: string): Map<string, string> {
  const found = new Map<string, string>();
  const put = (name: unknown, template: unknown): void => {
    if (typeof name !== "string" || typeof template !== "string") {
      throw new DataError(
        "FIELD_TYPE",
        `"chat_template" holds ${show({ name, template })}, expected {name, template}`,
        { path },
      );
    }
    found.set(name, template);
  };
  if (typeof value === "string") put("default", value);
  else if (Array.isArray(value)) for (const entry of value) put((entry as Fields)?.name, (entry as Fields)?.template);
  else if (value !== undefined && value !== null) {
    throw new DataError("FIELD_TYPE", `"chat_template" is ${show(value)}, expected a string or a list`, { path });
  }
  const file = join(dir, "chat_template.jinja");
  if (existsSync(file)) found.set("default", readText(file, { maxBytes: 4 * MAX_TEMPLATE_CHARS }));
  return found;
}
